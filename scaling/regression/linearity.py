"""Is ln L straight in ln X? A test for curvature."""

import numpy as np
from scipy.special import fdtrc

from scaling.observations import BoolArray, FloatArray
from scaling.regression.design import Design, Moments
from scaling.regression.intervals import autocorrelation


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
