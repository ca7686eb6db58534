"""Is ln L straight in ln X? A test for curvature, and the slopes of the two halves of the window."""

import math

import numpy as np
from scipy.special import fdtrc

from scaling.design import Design, Moments, moments_of
from scaling.estimate import Estimate
from scaling.intervals import autocorrelation
from scaling.observations import BoolArray, FloatArray


def curvature(design: Design, moments: Moments) -> tuple[float, list[int]] | None:
    """p-value of square and cube of ln X in every size jointly, and the sizes where each alone has p < .01.

    A quadratic alone has no power against an S-curve. The residual variance is inflated by the autocorrelation that
    is left after the cubic, since curvature itself looks like correlation. None where points are too few.
    """
    residual = np.empty(len(design.rows))
    gains = np.empty(design.num_sizes)
    for size in range(design.num_sizes):
        mine = design.size == size
        if np.sum(mine) < len(design.runs_of(size)) + 5:
            return None
        gains[size], residual[mine] = _cubic_gain(design, moments, mine)
    _, inflation = autocorrelation(design.run, residual)
    df = len(design.rows) / inflation - design.num_runs - 3 * design.num_sizes
    rss = float(residual @ residual)
    if df < 1 or rss <= 0:
        return None
    variance = rss / (len(design.rows) - design.num_runs - 3 * design.num_sizes) * inflation
    terms = 2 * design.num_sizes
    joint = float(fdtrc(terms, df, float(gains.sum()) / variance / terms))
    each = fdtrc(2, df, gains / variance / 2)
    return joint, [int(size) for size in np.flatnonzero(each < 0.01)]


def half_slopes(estimate: Estimate) -> list[tuple[float, float, float | None] | None]:
    """For each size, k in the first and in the second half of its ln X and the standard error of their difference.

    None where a half holds fewer than three evaluations of a run.
    """
    design, free = estimate.design, estimate.free
    log_loss = free.y + free.run_y[design.run]
    middle = np.array([_middle(design.log_x[design.size == size]) for size in range(design.num_sizes)])
    early = design.log_x < middle[design.size]
    found: list[tuple[float, float, float | None] | None] = []
    for size in range(design.num_sizes):
        halves = [_sums(design, log_loss, free.weight, (design.size == size) & half) for half in (early, ~early)]
        if halves[0] is None or halves[1] is None:
            found.append(None)
            continue
        (xx1, xk1), (xx2, xk2) = halves[0], halves[1]
        widest = estimate.spread.widest(size)
        se = None if widest is None else math.sqrt(widest[0] * (1 / xx1 + 1 / xx2))
        found.append((xk1 / xx1, xk2 / xx2, se))
    return found


def _cubic_gain(design: Design, moments: Moments, mine: BoolArray) -> tuple[float, FloatArray]:
    """Fall of the weighted RSS from x to x, x^2, x^3 (each run its own level), and the cubic's residuals."""
    root = np.sqrt(moments.weight[mine])
    x = moments.x[mine] / np.max(np.abs(moments.x[mine]))
    levels = (design.run[mine][:, None] == np.unique(design.run[mine])[None]).astype(np.float64)
    target = root * moments.y[mine]
    cubic = root[:, None] * np.column_stack([levels, x, x**2, x**3])
    line = cubic[:, :-2]
    after_line = target - line @ np.linalg.lstsq(line, target, rcond=None)[0]
    after_cubic = target - cubic @ np.linalg.lstsq(cubic, target, rcond=None)[0]
    return float(after_line @ after_line - after_cubic @ after_cubic), after_cubic


def _sums(design: Design, log_loss: FloatArray, weight: FloatArray, rows: BoolArray) -> tuple[float, float] | None:
    lengths = np.bincount(design.run[rows])
    if not rows.any() or lengths[lengths > 0].min() < 3:
        return None
    runs, run = np.unique(design.run[rows], return_inverse=True)
    part = Design(
        rows=design.rows[rows],
        log_x=design.log_x[rows],
        run=run.reshape(-1),
        size=np.zeros(int(rows.sum()), dtype=np.int64),
        run_size=np.zeros(len(runs), dtype=np.int64),
        run_trial=design.run_trial[runs],
        sizes=design.sizes[:1],
    )
    moments = moments_of(part, log_loss[rows], weight[rows])
    return float(moments.xx[0]), float(moments.xk[0])


def _middle(log_x: FloatArray) -> float:
    return float(log_x.min() + log_x.max()) / 2
