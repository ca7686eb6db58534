"""How far evaluations and runs of one size lie apart: within runs, between them, and how neighbours correlate."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from scaling.observations import FloatArray, IntArray
from scaling.regression.design import Design, Moments, sum_by

MIN_EVALUATIONS = 8


@dataclass(frozen=True, eq=False)
class Spread:
    """Variance scales per size: Var(ln L) = point / weight, Var(k) = within / xx or between / xx.

    `within` carries the autocorrelation. `between` is what runs of one size show, pooled over all sizes, because two
    runs of one size alone say next to nothing; it is the larger of two readings of the same differences, `noise_ratio`
    times `point` (runs differ as noise does) and `within` with runs whose k differ by `slope_sd` times k (they differ
    as learning does, so the steepest sizes differ most).
    """

    point: FloatArray
    within: FloatArray | None
    within_df: FloatArray
    between: FloatArray | None
    between_df: int
    noise_ratio: float | None
    slope_sd: float | None
    autocorrelation: float | None
    inflation: float

    def reweighted(self, factor: FloatArray) -> "Spread":
        """The same variances for weights that are `factor` times as large, size by size."""
        return replace(
            self,
            point=self.point * factor,
            within=None if self.within is None else self.within * factor,
            between=None if self.between is None else self.between * factor,
        )

    def widest(self, size: int) -> tuple[float, float] | None:
        """(variance scale, t^2) of the wider 95% interval for the size with this index, or None with neither."""
        known = []
        if self.within is not None:
            known.append((float(self.within[size]), t_quantile(float(self.within_df[size])) ** 2))
        if self.between is not None:
            known.append((float(self.between[size]), t_quantile(self.between_df) ** 2))
        return max(known, key=lambda pair: pair[0] * pair[1], default=None)


def spread_of(design: Design, moments: Moments) -> Spread:
    """Residual variance about the free slopes of every size, within runs and between runs."""
    residual = np.sqrt(moments.weight) * (moments.y + moments.slopes[design.size] * moments.x)
    r1, inflation = autocorrelation(design.run, residual)
    points, runs = np.bincount(design.size), np.bincount(design.run_size)
    point = _point_variance(design, residual, points - runs - 1)
    between_df = design.num_runs - design.num_sizes
    within = point * inflation if np.any(longest_runs(design) >= MIN_EVALUATIONS) else None
    between = noise_ratio = slope_sd = None
    if between_df >= 2:
        noise_ratio = _between_ratio(design, moments, point) / between_df
        between = point * noise_ratio
    if within is not None and between is not None:
        slope_sd = _slope_sd(design, moments, within)
        learning = (slope_sd * moments.slopes) ** 2 * _runs_share(design, moments)
        few = t_quantile(steep_df(moments.slopes[design.run_size], between_df)) / t_quantile(between_df)
        between = np.maximum(between, within + few**2 * learning)
    return Spread(
        point=point,
        within=within,
        within_df=np.maximum(points / inflation - runs - 1, 1.0),
        between=between,
        between_df=between_df,
        noise_ratio=noise_ratio,
        slope_sd=slope_sd,
        autocorrelation=r1,
        inflation=inflation,
    )


def autocorrelation(run: IntArray, residual: FloatArray) -> tuple[float | None, float]:
    """Lag-1 correlation of residuals inside runs, and the variance inflation 1 + 2 r1 / (1 - r2/r1) it stands for."""
    total = float(np.sum(residual**2))
    lagged = []
    for lag in (1, 2):
        same = run[lag:] == run[:-lag]
        lagged.append(float(np.sum(residual[lag:][same] * residual[:-lag][same])))
    if total <= 0:
        return None, 1.0
    r1, r2 = lagged[0] / total, lagged[1] / total
    if r1 <= 0:
        return r1, 1.0
    return r1, 1.0 + 2.0 * r1 / (1.0 - min(max(r2 / r1, 0.0), 0.95))


def t_quantile(df: float) -> float:
    """The .975 quantile of Student's t."""
    return float(stdtrit(df, 0.975))


def _point_variance(design: Design, residual: FloatArray, df: IntArray) -> FloatArray:
    """Residual variance of each size; the pooled one for a size with fewer than three degrees of freedom."""
    rss = sum_by(design.size, residual**2, design.num_sizes)
    pooled = rss.sum() / max(int(df.sum()), 1)
    variance: FloatArray = np.where(df >= 3, rss / np.maximum(df, 1), pooled)
    return variance


def _between_ratio(design: Design, moments: Moments, point: FloatArray) -> float:
    """Sum over runs of (k_run - k_size)^2 xx_run in units of the size's residual variance."""
    gap = moments.run_xk - moments.slopes[design.run_size] * moments.run_xx
    scale = point[design.run_size] * moments.run_xx
    return float(np.sum(np.divide(gap**2, scale, out=np.zeros_like(gap), where=scale > 0)))


def _slope_sd(design: Design, moments: Moments, within: FloatArray) -> float:
    """Standard deviation of k of runs of one size, relative to k, beyond what noise inside runs explains.

    Method of moments on Q = sum over runs of xx_run (k_run - k)^2 / within, whose mean is one for every repeat and
    slope_sd^2 k^2 / within times what a size's runs leave of their xx.
    """
    if not np.all(within > 0):
        return 0.0
    excess = _between_ratio(design, moments, within) - (design.num_runs - design.num_sizes)
    left = moments.xx - _runs_share(design, moments)
    reach = float(np.sum(moments.slopes**2 * left / within))
    return math.sqrt(max(excess, 0.0) / reach) if reach > 0 else 0.0


def steep_df(slopes: FloatArray, df: int) -> float:
    """Degrees of freedom with which runs of these slopes know a relative difference in k (Satterthwaite): the steepest
    show nearly all of it.
    """
    squares = slopes**2
    total = float(np.sum(squares**2)) * len(squares)
    return max(df * float(np.sum(squares)) ** 2 / total, 1.0) if total > 0 else float(df)


def _runs_share(design: Design, moments: Moments) -> FloatArray:
    """sum xx_run^2 / xx of each size: xx times the variance of k when every run's own k has a variance of 1."""
    share: FloatArray = sum_by(design.run_size, moments.run_xx**2, design.num_sizes) / moments.xx
    return share


def longest_runs(design: Design) -> IntArray:
    """Evaluations in the longest run of each size."""
    lengths = np.bincount(design.run)
    return np.array([lengths[design.runs_of(size)].max() for size in range(design.num_sizes)])
