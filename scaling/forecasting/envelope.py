"""Which of several straight lines in ln x is the lowest, where one takes over from another, and how sure that is.

Lines ln L = a - k ln x, so the lowest ones follow each other in the order of their slopes and are found exactly,
without a grid. A draw in which the later line falls no faster never hands over: it did so always, or will never.
"""

from __future__ import annotations

import numpy as np

from scaling.observations import FloatArray

TOUCH = 1e-12  # of ln x: lines through one point


def lowest_lines(intercept: FloatArray, k: FloatArray, low: float, high: float) -> list[tuple[int, float, float]]:
    """(line, from ln x, to ln x) of the lowest line between `low` and `high`, in order; of equal lines the first."""
    values = intercept - k * low
    now = int(np.lexsort((-k, values))[0])
    found: list[tuple[int, float, float]] = []
    at = low
    while True:
        faster = np.flatnonzero(k > k[now])
        crossings = (intercept[faster] - intercept[now]) / (k[faster] - k[now])
        ahead = crossings >= at - TOUCH
        if not np.any(ahead) or (crossing := float(crossings[ahead].min())) >= high:
            return [*found, (now, at, high)]
        tied = faster[ahead][crossings[ahead] <= crossing + TOUCH]
        if crossing > at + TOUCH:
            found.append((now, at, crossing))
        now, at = int(tied[np.argmax(k[tied])]), max(crossing, at)


def drawn_crossings(
    before: tuple[FloatArray, FloatArray], after: tuple[FloatArray, FloatArray], at: float
) -> FloatArray:
    """ln x at which `after` (intercepts, slopes) overtakes `before` in each draw.

    Where it falls no faster: minus infinity if it is the lower one at `at`, infinity if it is not.
    """
    faster = after[1] - before[1]
    ahead = (after[0] - after[1] * at) < (before[0] - before[1] * at)
    always = np.where(ahead, -np.inf, np.inf)
    with np.errstate(over="ignore"):
        crossings: FloatArray = np.divide(after[0] - before[0], faster, out=always, where=faster > 0)
    return crossings


def line_through(x: FloatArray, y: FloatArray) -> FloatArray:
    """Slopes of least-squares lines of y (handovers,) on each row of x, (draws, handovers)."""
    centred = x - x.mean(axis=1, keepdims=True)
    slopes: FloatArray = centred @ (y - y.mean()) / np.sum(centred**2, axis=1)
    return slopes
