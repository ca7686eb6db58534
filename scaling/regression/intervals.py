"""How far the estimates could be off: within runs from correlated residuals, between runs from repeats.

Points of one trajectory are correlated, so an interval that treats them as independent is too narrow by half. Two
sources are measured where the data allow it, and the wider interval is reported. Within runs: the law's parameters
by resampling blocks of evaluations, a single slope by inflating its variance for autocorrelation (five blocks, of
which the first holds half of the leverage, make too rough a bootstrap for one slope). Between runs: how far slopes
of runs of the same size lie apart. One seed leaves only the first; a study in which every run is shorter than
`MIN_EVALUATIONS` leaves only the second; with neither there is no interval. A size with short runs beside others with
long ones has its noise from its own residuals and its autocorrelation from theirs.
"""

import math
from dataclasses import dataclass

import numpy as np

from scaling.laws.k_forms import KForm
from scaling.observations import FloatArray
from scaling.regression.design import Design, Moments, sum_by
from scaling.regression.spread import Spread, t_quantile
from scaling.results import Interval


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariance of a law's theta, the degrees of freedom of its t, and what it was made from."""

    matrix: FloatArray
    df: float
    method: str

    def half_width(self, gradient: FloatArray) -> float:
        """Half of the 95% interval of gradient . theta; rounding below zero counts as zero."""
        return t_quantile(self.df) * math.sqrt(max(float(gradient @ self.matrix @ gradient), 0.0))


def normal_interval(centre: float, half_width: float, method: str, *, log: bool = False) -> Interval:
    """centre -+ half_width, exponentiated if `log`."""
    return interval_of(centre - half_width, centre + half_width, method, log=log)


def wider(*intervals: Interval | None) -> Interval | None:
    """The widest of the intervals that exist."""
    return max((each for each in intervals if each), key=lambda each: each.high - each.low, default=None)


def slope_interval(spread: Spread, moments: Moments, size: int) -> Interval | None:
    """95% interval of the free slope of the size with this index."""
    k, xx = float(moments.slopes[size]), float(moments.xx[size])
    within = between = None
    if spread.within is not None:
        half = t_quantile(float(spread.within_df[size])) * math.sqrt(float(spread.within[size]) / xx)
        within = normal_interval(k, half, "autocorrelated residuals")
    if spread.between is not None:
        half = t_quantile(spread.between_df) * math.sqrt(float(spread.between[size]) / xx)
        between = normal_interval(k, half, "runs (pooled)")
    return wider(within, between)


@dataclass(frozen=True, eq=False)
class LawCovariances:
    """Covariances of theta: from noise within runs, and from differences between them; None, or none, if not known.

    Between: the pooled variance between runs of a size, with one degree of freedom for every repeat, and from three
    runs of every size on a sandwich clustered by run (CR1) with t(runs - parameters). The wider one counts: the first
    takes runs to differ alike everywhere, the second rests on the few runs that know most.
    """

    within: Covariance | None = None
    between: tuple[Covariance, ...] = ()

    @property
    def known(self) -> tuple[Covariance, ...]:
        """All of them."""
        return (*(() if self.within is None else (self.within,)), *self.between)


def law_covariances(design: Design, moments: Moments, spread: Spread, form: KForm, theta: FloatArray) -> LawCovariances:
    """Covariances of theta within and between runs."""
    jacobian = form.jacobian(theta, design.sizes)
    information = jacobian.T @ (moments.xx[:, None] * jacobian)
    if not np.all(np.isfinite(information)) or np.linalg.cond(information) > 1e14:
        return LawCovariances()
    bread = np.linalg.inv(information).astype(np.float64)

    def sandwich(scale: FloatArray) -> FloatArray:
        filling: FloatArray = jacobian.T @ ((scale * moments.xx)[:, None] * jacobian)
        return bread @ filling @ bread

    within = None
    between = []
    if spread.within is not None:
        df = max(float(spread.within_df.sum()) - len(theta), 1.0)
        within = Covariance(sandwich(spread.within), df, "autocorrelated residuals")
    df_clustered = design.num_runs - design.num_sizes - len(theta)
    if np.bincount(design.run_size).min() >= 3 and df_clustered >= 1:
        gap = moments.run_xk - form.slopes(theta[None], design.sizes)[0][design.run_size] * moments.run_xx
        score = gap[:, None] * jacobian[design.run_size]
        meat = score.T @ score * design.num_runs / (design.num_runs - 1)
        between.append(Covariance(bread @ meat @ bread, float(df_clustered), "runs (CR1)"))
    if spread.between is not None:
        between.append(Covariance(sandwich(spread.between), float(spread.between_df), "runs (pooled)"))
    return LawCovariances(within, tuple(between))


def level_variance(design: Design, moments: Moments, spread: Spread) -> FloatArray | None:
    """Variance of each size's mean ln L at its mean ln X: within runs, or between runs where that is larger."""
    between = run_sd(design, moments)
    if spread.within is None and between is None:
        return None
    total_weight = sum_by(design.size, moments.weight, design.num_sizes)
    within = np.zeros(design.num_sizes) if spread.within is None else spread.within / total_weight
    variance: FloatArray = np.maximum(within, (between or 0.0) ** 2 / np.bincount(design.run_size))
    return variance


def run_sd(design: Design, moments: Moments) -> float | None:
    """Standard deviation of ln L between runs of one size at equal x, pooled over sizes; None without repeats."""
    df = design.num_runs - design.num_sizes
    if df < 1:
        return None
    gap = moments.run_y + moments.slopes[design.run_size] * moments.run_x
    return math.sqrt(float(np.sum((gap - _size_means(design, gap)[design.run_size]) ** 2)) / df)


def _size_means(design: Design, per_run: FloatArray) -> FloatArray:
    means: FloatArray = np.bincount(design.run_size, per_run) / np.bincount(design.run_size)
    return means


def interval_of(low: float, high: float, method: str, *, log: bool) -> Interval:
    """The interval, exponentiated if `log`."""
    if log:
        low, high = math.exp(low), math.exp(min(high, 700.0))
    return Interval(low, high, method)
