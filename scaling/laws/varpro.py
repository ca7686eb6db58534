"""Variable projection for k_i = A g(u, N_i): the scale A is eliminated, so only u is searched.

At given u the best scale is A = sum g xk / sum g^2 xx and the fit gains (sum g xk)^2 / sum g^2 xx over k = 0. A grid
finds the right hill of that gain, Newton its top: with a bracket for one number, damped for two. Deterministic: no
starts, no seeds.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from scaling.observations import BoolArray, FloatArray

Shape: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
# g, (dg/du, dg/dv), (d2g/du2, d2g/dudv, d2g/dv2)
ShapeOfTwo: TypeAlias = tuple[FloatArray, tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]
Boxes: TypeAlias = tuple[tuple[float, float], ...]

MAX_NEWTON_STEPS = 80
TOLERANCE = 1e-12
DAMPING = 1e-3  # at first, relative to the largest curvature


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
        # A Newton step squares the error, so that after one of a ten-millionth nothing is left that a float could show.
        if np.max(np.abs(step)) < (1e-7 if inside.all() else TOLERANCE * 10):
            break
    return u


def best_shape_of_two(
    shape: Callable[[FloatArray, FloatArray], ShapeOfTwo],
    boxes: Boxes,
    *,
    points: tuple[int, int],
    xx: FloatArray,
    xk: FloatArray,
) -> FloatArray:
    """[ln A, u, v] of the best fit for each draw, u and v inside their boxes; ln A = -inf where no scale helps.

    `shape(u, v)` takes columns, (draws, 1), and gives arrays of shape (draws, sizes). `points`: of the grid.
    """
    axes = np.meshgrid(*(np.linspace(*box, count) for box, count in zip(boxes, points, strict=True)), indexing="ij")
    grid = np.stack(axes, axis=-1).reshape(-1, 2)
    gains = gain(shape(grid[:, :1], grid[:, 1:])[0], xx=xx, xk=xk)
    top = np.argmax(gains, axis=1)
    at = grid[top]
    rising = np.flatnonzero(gains[np.arange(len(top)), top] > 0)
    at[rising] = _climb_two(shape, at[rising], np.array(boxes), xx=xx[rising], xk=xk[rising])
    g = shape(at[:, :1], at[:, 1:])[0]
    scale = np.sum(g * xk, axis=1) / np.sum(g**2 * xx, axis=1)
    with np.errstate(divide="ignore"):
        return np.column_stack([np.log(np.maximum(scale, 0.0)), at])


def _climb_two(
    shape: Callable[[FloatArray, FloatArray], ShapeOfTwo],
    start: FloatArray,
    box: FloatArray,
    *,
    xx: FloatArray,
    xk: FloatArray,
) -> FloatArray:
    """Top of ln(gain) in the box from each start: Newton, damped until it climbs; draws that arrived are left alone."""
    best = start.copy()
    live = np.arange(len(start))
    damping = np.full(len(start), DAMPING)
    height, slope, bend = _log_gain(shape, start, xx=xx, xk=xk)
    for _ in range(MAX_NEWTON_STEPS):
        if not len(live):
            break
        at = best[live]
        stuck = ((at <= box[:, 0]) & (slope < 0)) | ((at >= box[:, 1]) & (slope > 0))
        tried = np.clip(at + _damped_newton(slope, bend, stuck, damping), box[:, 0], box[:, 1])
        new_height, new_slope, new_bend = _log_gain(shape, tried, xx=xx[live], xk=xk[live])
        better = new_height >= height
        best[live] = np.where(better[:, None], tried, at)
        damping = np.where(better, damping / 10, np.maximum(damping, DAMPING) * 10)
        going = np.max(np.abs(tried - at), axis=1) > 100 * TOLERANCE
        slope, bend = np.where(better[:, None], new_slope, slope), np.where(better[:, None], new_bend, bend)
        height = np.where(better, new_height, height)
        live, height, slope, bend, damping = (each[going] for each in (live, height, slope, bend, damping))
    return best


def _log_gain(
    shape: Callable[[FloatArray, FloatArray], ShapeOfTwo], at: FloatArray, *, xx: FloatArray, xk: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """ln(gain) = 2 ln sum g xk - ln sum g^2 xx, its gradient (draws, 2) and second derivatives (draws, 3)."""
    g, first, second = shape(at[:, :1], at[:, 1:])
    a, b = np.sum(g * xk, axis=1), np.sum(g * g * xx, axis=1)
    da, db = (np.stack([np.sum(each * by, axis=1) for each in first], axis=1) for by in (xk, 2 * g * xx))
    with np.errstate(divide="ignore", invalid="ignore"):
        height = 2 * np.log(a) - np.log(b)
        da, db = da / a[:, None], db / b[:, None]
        bends = []
        for each, one, other in zip(second, (0, 0, 1), (0, 1, 1), strict=True):
            dda = np.sum(each * xk, axis=1) / a
            ddb = 2 * np.sum((first[one] * first[other] + g * each) * xx, axis=1) / b
            bends.append(2 * (dda - da[:, one] * da[:, other]) - (ddb - db[:, one] * db[:, other]))
    return np.where(a > 0, height, -np.inf), 2 * da - db, np.stack(bends, axis=1)


def _damped_newton(slope: FloatArray, bend: FloatArray, stuck: BoolArray, damping: FloatArray) -> FloatArray:
    """Step uphill for each draw: Newton's, with the curvature made negative and larger by the damping."""
    uu, uv, vv = -bend[:, 0], -bend[:, 1], -bend[:, 2]
    scale = np.maximum(np.maximum(np.abs(uu), np.abs(vv)), 1e-300)
    uv = np.where(stuck.any(axis=1), 0.0, uv)
    lowest = (uu + vv) / 2 - np.hypot((uu - vv) / 2, uv)
    lowest = np.where(stuck[:, 0], vv, np.where(stuck[:, 1], uu, lowest))
    shift = np.maximum(1e-9 * scale - lowest, 0.0) + damping * scale
    uu, vv = np.where(stuck[:, 0], 1.0, uu + shift), np.where(stuck[:, 1], 1.0, vv + shift)
    up = np.where(stuck, 0.0, slope)
    determinant = uu * vv - uv * uv
    return np.stack([vv * up[:, 0] - uv * up[:, 1], uu * up[:, 1] - uv * up[:, 0]], axis=1) / determinant[:, None]
