"""One smooth learning curve for every group size, from the runs that share it, and what it could be instead.

ln L is a polynomial of ln x in every run: a straight line, or a cubic where the line does not fit. Curves are only
ever read inside the range that all runs of a group size cover, so a cubic serves as well as a law with a name, and it
stays linear: a thousand draws of all curves cost milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.observations import FloatArray, IntArray, Observations
from scaling.regression.bootstrap import Z
from scaling.regression.correlated_noise import Series, ar1, correlation_of, detrended, polynomial, variance_of
from scaling.regression.estimators import LOWEST_LOG_LOSS, MAX_LOG_STEP
from scaling.regression.spread import MIN_EVALUATIONS, t_quantile

LINE, CUBIC = 2, 4  # terms
FEWEST_LEFT = 3  # evaluations beyond the coefficients, for a curve to know its own noise
ITERATIONS = 25
TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class RunCurve:
    """The polynomial of one run in the position u, -1 to 1 over the ln x of its group size.

    `solver`: what takes responses to coefficients; `series`: residuals times `root_weight`, the roots of weights whose
    mean is 1 where it really is `mean_weight`.
    """

    trial_id: int
    coefficients: FloatArray
    solver: FloatArray
    root_weight: FloatArray
    mean_weight: float
    series: Series


@dataclass(frozen=True, eq=False)
class GroupCurve:
    """All runs of one group size. `low`, `high`: the ln x that all cover; `centre`, `half`: of the position."""

    group_size: int
    low: float
    high: float
    centre: float
    half: float
    runs: tuple[RunCurve, ...]

    def basis(self, log_x: FloatArray) -> FloatArray:
        """Powers of the position of each ln x."""
        return polynomial((log_x - self.centre) / self.half, len(self.runs[0].coefficients))

    def log_loss(self, log_x: FloatArray) -> FloatArray:
        """ln L at each ln x, mean over runs; NaN outside the covered range."""
        return self.covered(log_x, self.basis(log_x) @ self.coefficients)

    def covered(self, log_x: FloatArray, values: FloatArray) -> FloatArray:
        """The values, NaN where not all runs reach."""
        inside = (log_x >= self.low - 1e-12) & (log_x <= self.high + 1e-12)
        kept: FloatArray = np.where(inside, values, np.nan)
        return kept

    @property
    def coefficients(self) -> FloatArray:
        """Mean over runs."""
        mean: FloatArray = np.mean([run.coefficients for run in self.runs], axis=0)
        return mean


def group_curve(
    observations: Observations, rows: IntArray, group_size: int, *, estimator: str, terms: int
) -> GroupCurve:
    """The curve of the runs in these rows, all of one group size."""
    log_x = np.log(observations.x[rows])
    centre, half = float(log_x.max() + log_x.min()) / 2, float(np.ptp(log_x)) / 2
    trials = np.unique(observations.trial_id[rows])
    mine = [rows[observations.trial_id[rows] == trial] for trial in trials]
    return GroupCurve(
        group_size=group_size,
        low=max(float(np.log(observations.x[run].min())) for run in mine),
        high=min(float(np.log(observations.x[run].max())) for run in mine),
        centre=centre,
        half=half,
        runs=tuple(
            _run(observations, run, polynomial((np.log(observations.x[run]) - centre) / half, terms), estimator)
            for run in mine
        ),
    )


def coefficient_draws(
    curves: Sequence[GroupCurve], *, draws: int, seed: int, between: Sequence[FloatArray] | None = None
) -> list[FloatArray] | None:
    """What the coefficients of every curve could be, (draws, terms) each: a parametric bootstrap.

    Two sources, the wider for each curve: correlated noise inside its runs, and how far runs of one group size lie
    apart, pooled over group sizes as a function of the position in the run, or as the roots `between` of single runs
    say. Student's t over the normal quantile widens both. None without draws, or where neither source is known for
    some curve.
    """
    if draws < 1:
        return None
    rng = np.random.Generator(np.random.PCG64(seed))
    inside = _within_roots(curves)
    if between is None and (root := between_root(curves)) is not None:
        between = [root] * len(curves)
    found = []
    for index, curve in enumerate(curves):
        known = [] if between is None else [between[index] / math.sqrt(len(curve.runs))]
        known += [] if inside is None else [inside[index]]
        if not known:
            return None
        basis = polynomial(np.linspace(-1, 1, 21), len(curve.coefficients))
        root = max(known, key=lambda each: float(np.sum((each @ basis.T) ** 2)))
        found.append(curve.coefficients + rng.standard_normal((draws, len(root))) @ root)
    return found


def _within_roots(curves: Sequence[GroupCurve]) -> list[FloatArray] | None:
    """For each curve a matrix whose product with its own transpose is t^2 / z^2 times the covariance.

    Runs long enough to show how their noise correlates lend that to those that are not; None without any.
    """
    long = [run for curve in curves for run in curve.runs if len(run.series.residual) >= MIN_EVALUATIONS]
    if not long:
        return None
    correlation = correlation_of([run.series for run in long])
    roots = []
    for curve in curves:
        variance, df = _noise(curve, long, correlation)
        stretch = t_quantile(df) / Z * math.sqrt(variance) / len(curve.runs)
        noise = [np.linalg.cholesky(ar1(len(run.root_weight), correlation)) for run in curve.runs]
        pieces = [(run.solver / run.root_weight) @ each for run, each in zip(curve.runs, noise, strict=True)]
        roots.append(stretch * np.concatenate(pieces, axis=1).T)
    return roots


def _noise(curve: GroupCurve, long: Sequence[RunCurve], correlation: float) -> tuple[float, float]:
    """Variance of an evaluation of weight 1 and its degrees of freedom; that of all long runs, at the weight of this
    curve's, where its own runs leave nothing to tell it from.
    """
    left = sum(len(run.series.residual) - len(run.coefficients) for run in curve.runs)
    if left >= FEWEST_LEFT:
        return variance_of([run.series for run in curve.runs], correlation)
    scaled = [Series(run.series.maker, run.series.residual * math.sqrt(run.mean_weight)) for run in long]
    variance, df = variance_of(scaled, correlation)
    return variance / float(np.mean([run.mean_weight for run in curve.runs])), df


def between_root(curves: Sequence[GroupCurve], fewest: int = 2) -> FloatArray | None:
    """The same for a single run, from runs about the mean of their curve; None below `fewest` degrees of freedom."""
    deviations = [
        run.coefficients - curve.coefficients for curve in curves for run in curve.runs if len(curve.runs) > 1
    ]
    df = len(deviations) - sum(len(curve.runs) > 1 for curve in curves)
    if df < fewest:
        return None
    root: FloatArray = np.stack(deviations) * (t_quantile(df) / Z / math.sqrt(df))
    return root


def _run(observations: Observations, rows: IntArray, basis: FloatArray, estimator: str) -> RunCurve:
    response, weight = _working(observations.loss[rows], observations.attempts[rows], basis, estimator)
    root = np.sqrt(weight / weight.mean())
    solver = np.linalg.pinv(root[:, None] * basis) * root
    return RunCurve(
        trial_id=int(observations.trial_id[rows[0]]),
        coefficients=solver @ response,
        solver=solver,
        root_weight=root,
        mean_weight=float(weight.mean()),
        series=detrended(root * response, root[:, None] * basis),
    )


def _working(
    loss: FloatArray, attempts: FloatArray, basis: FloatArray, estimator: str
) -> tuple[FloatArray, FloatArray]:
    """ln L with equal weights, or the working response and weights of a quasi-binomial fit with a log link."""
    if estimator == "ols-log":
        return np.log(loss), np.ones_like(loss)
    log_mu = np.full_like(loss, math.log(loss.mean()))
    highest = np.log1p(-1.0 / (attempts + 1.0))
    for _ in range(ITERATIONS):
        mu = np.exp(log_mu)
        weight = attempts * mu / np.maximum(1.0 - mu, 1.0 / attempts)
        response = log_mu + (loss - mu) / mu
        root = np.sqrt(weight)
        fitted = basis @ np.linalg.lstsq(root[:, None] * basis, root * response, rcond=None)[0]
        before = log_mu
        log_mu = np.clip(np.clip(fitted, before - MAX_LOG_STEP, before + MAX_LOG_STEP), LOWEST_LOG_LOSS, highest)
        if np.max(np.abs(log_mu - before)) < TOLERANCE:
            break
    return response, weight
