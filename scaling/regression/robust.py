"""Huber's estimate of ln L on ln X: evaluations far off their curve pull no harder than those at a distance delta.

Delta is 1.345 robust standard deviations (1.4826 median absolute deviations) of the size's own residuals: noise of
ln L grows as L falls, and a common delta would call the evaluations of the largest sizes outliers. At 1.345 the
estimate keeps 95% of its efficiency under normal noise (Huber 1964). The search is iteratively reweighted least
squares that starts from the least-squares fit; started elsewhere it can stop where it began.

It ends in pseudo-values: the fit plus psi(residual) / share, psi cutting residuals at delta and `share` being that of
the evaluations within delta. Plain least squares on them has its optimum where Huber has his, and their scatter is
the variance of his estimate (Huber 1973, the ratio E psi^2 / (E psi')^2), which weighted residuals understate.
"""

from collections.abc import Callable

import numpy as np

from scaling.observations import FloatArray
from scaling.regression.design import Design, Moments, fitted_log_loss, moments_of

TUNING = 1.345
NORMAL = 1.4826  # standard deviation of a normal variable over its median absolute deviation
ROUNDS = 3  # of scale, then fit: the scale of least-squares residuals is too large where outliers bent the fit
MAX_ITERATIONS = 200
TOLERANCE = 1e-10  # of ln L


def robust_moments(design: Design, log_loss: FloatArray, slopes_of: Callable[[Moments], FloatArray]) -> Moments:
    """Moments of the pseudo-values. `slopes_of` says which slopes the estimate may take given moments."""
    ones = np.ones_like(log_loss)
    moments = moments_of(design, log_loss, ones)
    fitted = fitted_log_loss(design, moments, slopes_of(moments))
    for _ in range(ROUNDS):
        delta = cut_off(design, log_loss - fitted)
        if not np.all(delta > 0):  # most evaluations of some size lie on their curve: nothing tells what is far off
            return moments
        fitted = _reweighted(design, log_loss, fitted, delta, slopes_of)
    residual = log_loss - fitted
    share = float(np.mean(np.abs(residual) <= delta))
    return moments_of(design, fitted + np.clip(residual, -delta, delta) / share, ones)


def cut_off(design: Design, residual: FloatArray) -> FloatArray:
    """Delta of every row."""
    delta = np.empty(design.num_sizes)
    for size in range(design.num_sizes):
        mine = residual[design.size == size]
        delta[size] = TUNING * NORMAL * np.median(np.abs(mine - np.median(mine)))
    spread: FloatArray = delta[design.size]
    return spread


def pull(design: Design, moments: Moments, log_loss: FloatArray, slopes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weight (1 within delta) and residual of ln L of every row, from the moments of the pseudo-values."""
    fitted = fitted_log_loss(design, moments, slopes)
    residual = log_loss - fitted
    pseudo = moments.y + moments.run_y[design.run] - fitted
    ratio = np.divide(pseudo, residual, out=np.full_like(residual, np.nan), where=np.abs(residual) > 1e-12)
    weight: FloatArray = np.nan_to_num(ratio / np.nanmax(ratio), nan=1.0)
    return weight, residual


def _reweighted(
    design: Design,
    log_loss: FloatArray,
    fitted: FloatArray,
    delta: FloatArray,
    slopes_of: Callable[[Moments], FloatArray],
) -> FloatArray:
    for _ in range(MAX_ITERATIONS):
        far = np.maximum(np.abs(log_loss - fitted), delta)
        moments = moments_of(design, log_loss, delta / far)
        before, fitted = fitted, fitted_log_loss(design, moments, slopes_of(moments))
        if np.max(np.abs(fitted - before)) < TOLERANCE:
            break
    return fitted
