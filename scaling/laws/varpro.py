"""Variable projection for k_i = A g(u, N_i): the scale A is eliminated, so only u is searched.

At given u the best scale is A = sum g xk / sum g^2 xx and the fit gains (sum g xk)^2 / sum g^2 xx over k = 0. A grid
finds the right hill of that gain, Newton with a bracket its top. Deterministic: no starts, no seeds.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from scaling.observations import FloatArray

Shape: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]

MAX_NEWTON_STEPS = 80
TOLERANCE = 1e-12


def gain(shape: FloatArray, *, xx: FloatArray, xk: FloatArray) -> FloatArray:
    """Fall of the residual sum of squares below that of k = 0; shapes (draws, sizes) @ (grid, sizes) -> (draws, grid).

    A negative scale gains nothing: the laws have k >= 0.
    """
    projected = np.maximum(xk @ shape.T, 0.0)
    return projected**2 / (xx @ (shape**2).T)


def best_shape(shape: Callable[[FloatArray], Shape], grid: FloatArray, *, xx: FloatArray, xk: FloatArray) -> FloatArray:
    """[ln A, u] of the best fit for each draw, u inside the grid; ln A = -inf where no positive scale helps.

    `shape(u)` returns g, dg/du and d2g/du2 for u of shape (draws, 1) or (grid, 1), each (draws, sizes).
    """
    gains = gain(shape(grid[:, None])[0], xx=xx, xk=xk)
    top = np.argmax(gains, axis=1)
    low = grid[np.maximum(top - 1, 0)]
    high = grid[np.minimum(top + 1, len(grid) - 1)]
    u = _climb(shape, grid[top], low, high, xx=xx, xk=xk)
    g = shape(u[:, None])[0]
    scale = np.sum(g * xk, axis=1) / np.sum(g**2 * xx, axis=1)
    with np.errstate(divide="ignore"):
        return np.stack([np.log(np.maximum(scale, 0.0)), u], axis=1)


def _climb(
    shape: Callable[[FloatArray], Shape],
    u: FloatArray,
    low: FloatArray,
    high: FloatArray,
    *,
    xx: FloatArray,
    xk: FloatArray,
) -> FloatArray:
    """Root of d ln(gain)/du between `low` and `high`: Newton, halving the bracket where Newton would leave it."""
    for _ in range(MAX_NEWTON_STEPS):
        g, dg, d2g = shape(u[:, None])
        a, da, d2a = (np.einsum("ds,ds->d", each, xk) for each in (g, dg, d2g))
        b = np.einsum("ds,ds->d", g * g, xx)
        db = 2 * np.einsum("ds,ds->d", g * dg, xx)
        d2b = 2 * np.einsum("ds,ds->d", dg * dg + g * d2g, xx)
        ascent = 2 * da * b - a * db
        low = np.where(ascent > 0, u, low)
        high = np.where(ascent > 0, high, u)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = u - ascent / (2 * d2a * b + da * db - a * d2b)
        inside = (newton >= low) & (newton <= high)
        step = np.where(inside, newton, (low + high) / 2) - u
        u = u + step
        if np.max(np.abs(step)) < TOLERANCE * 10:
            break
    return u
