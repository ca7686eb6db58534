"""How test losses become working responses and weights of a regression in ln L.

`ols-log` regresses ln L itself and needs L > 0. `qb` is quasi-binomial iteratively reweighted least squares with a
log link: it reads counts, so a perfect score needs no epsilon. `linear-ls` minimises the squared error of L itself,
as the fit of arXiv 2509.25300 does. `huber` is `ols-log` in which evaluations far off their curve pull no harder than
near ones (see `robust`). All end in the same moments, so everything that follows is shared.
"""

from collections.abc import Callable

import numpy as np

from scaling.errors import FitError
from scaling.observations import FloatArray, IntArray, Observations
from scaling.regression.design import Design, Moments, fitted_log_loss, moments_of
from scaling.regression.robust import robust_moments

ESTIMATORS = ("ols-log", "qb", "linear-ls", "huber")
NEED_LOG_LOSS = ("ols-log", "huber")  # cannot use a perfect score
MAX_ITERATIONS = 100
TOLERANCE = 1e-9  # of ln mu, at convergence
MAX_LOG_STEP = 2.0  # of ln mu in one iteration: zero counts would otherwise throw it to minus infinity
LOWEST_LOG_LOSS = -14.0  # a fitted loss below one in a million: only zeros ask for it
MOSTLY_COUNTED = 0.5  # share of rows with counts from which `auto` reads counts, and leaves out the rows without
MAX_WEIGHT_RATIO = 100.0  # inside one run


def choose_estimator(estimator: str, observations: Observations) -> str:
    """Resolve `auto`, and refuse an estimator that these evaluations cannot feed."""
    if estimator == "auto":
        return "qb" if observations.counted_share >= MOSTLY_COUNTED else "ols-log"
    if estimator not in ESTIMATORS:
        raise FitError(f"estimator {estimator!r} is unknown. Choose auto, {', '.join(ESTIMATORS)}.")
    if estimator == "qb" and observations.counted_share == 0.0:
        raise FitError(
            "estimator 'qb' weighs evaluations by their counts, but these carry scores without counts (exact answer "
            "probabilities). Use --estimator ols-log, or huber where single evaluations are far off, or select a "
            "benchmark that was scored by sampling."
        )
    return estimator


def linearise(
    observations: Observations,
    design: Design,
    estimator: str,
    slopes_of: Callable[[Moments], FloatArray] = lambda moments: moments.slopes,
    *,
    start: FloatArray | None = None,
) -> Moments:
    """Moments of the regression in ln L that has its optimum where the estimator has its own.

    `slopes_of` says which slopes the estimate may take given moments: free ones, or those of a law k(N). `start`: ln L
    near the optimum, which saves iterations.
    """
    loss = observations.loss[design.rows]
    if estimator == "ols-log":
        return moments_of(design, np.log(loss), np.ones_like(loss))
    if estimator == "huber":
        return robust_moments(design, np.log(loss), slopes_of)
    attempts = observations.attempts[design.rows]
    highest = np.log1p(-1.0 / (attempts + 1.0)) if estimator == "qb" else np.full_like(loss, np.inf)
    log_mu = np.minimum(_start(design, loss) if start is None else start, highest)
    for _ in range(MAX_ITERATIONS):
        mu = np.exp(log_mu)
        weight = _weights(estimator, mu, attempts, design.run)
        moments = moments_of(design, log_mu + (loss - mu) / mu, weight)
        fitted = fitted_log_loss(design, moments, slopes_of(moments))
        before = log_mu
        log_mu = np.clip(fitted, before - MAX_LOG_STEP, before + MAX_LOG_STEP)
        log_mu = np.clip(log_mu, LOWEST_LOG_LOSS, highest)
        if np.max(np.abs(log_mu - before)) < TOLERANCE:
            break
    return moments


def _start(design: Design, loss: FloatArray) -> FloatArray:
    """Least squares of ln L, where it can be had; else the mean of each run."""
    if (loss > 0).all():
        plain = moments_of(design, np.log(loss), np.ones_like(loss))
        return fitted_log_loss(design, plain, plain.slopes)
    mean: FloatArray = np.log(np.bincount(design.run, loss) / np.bincount(design.run))[design.run]
    return mean


def dispersion(observations: Observations, design: Design, moments: Moments) -> float | None:
    """Variance of a score relative to binomial (phi), from differences of neighbouring evaluations of a run.

    A fixed benchmark is less noisy than a fresh binomial sample, typically by .4-.9. None without counts.
    """
    attempts = observations.attempts[design.rows]
    if np.isnan(attempts).any():
        return None
    edge = 1 / (attempts + 1)  # a fitted loss beyond it has no variance to speak of
    fitted = np.clip(np.exp(fitted_log_loss(design, moments, moments.slopes)), edge, 1 - edge)
    pearson = (observations.loss[design.rows] - fitted) / np.sqrt(fitted * (1 - fitted) / attempts)
    neighbours = design.run[1:] == design.run[:-1]
    return float(np.mean(np.diff(pearson)[neighbours] ** 2) / 2)


def point_weight(estimator: str, loss: FloatArray, attempts: FloatArray | float) -> FloatArray:
    """Weight of an evaluation whose expected loss is `loss`: the inverse variance of its ln L, up to a constant.

    n mu / (1 - mu) for a binomial loss mu of n attempts; 1 - mu is kept above 1/n, or a loss near 1 would own the fit.
    """
    if estimator == "linear-ls":
        return loss**2
    if estimator != "qb":
        return np.ones_like(loss)
    weight: FloatArray = attempts * loss / np.maximum(1.0 - loss, 1.0 / attempts)
    return weight


def _weights(estimator: str, mu: FloatArray, attempts: FloatArray, run: IntArray) -> FloatArray:
    """Weights of all rows; those of a binomial run stay within a factor of 100."""
    weight = point_weight(estimator, mu, attempts)
    if estimator != "qb":
        return weight
    starts = np.flatnonzero(np.diff(run, prepend=-1))
    largest = np.repeat(np.maximum.reduceat(weight, starts), np.diff(starts, append=len(run)))
    capped: FloatArray = np.maximum(weight, largest / MAX_WEIGHT_RATIO)
    return capped
