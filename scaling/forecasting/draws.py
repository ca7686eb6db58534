"""What the slopes and levels of all sizes could be, drawn together, so that curves can be compared draw by draw.

Each draw starts from what the free line of each size could be (correlated noise inside runs, or how far repeats lie
apart, whichever is wider: `group_size.curves.coefficient_draws`), takes the law through the drawn slopes, and adds how
far slopes scatter about a law that does not fit. A draw of the slopes is a whole refit: the law sees the data through
one slope and one weight per size. So bounds and skewness are in the draws, which a covariance would miss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from scaling.forecasting.levels import seen_level
from scaling.group_size.curves import LINE, GroupCurve, coefficient_draws, group_curve
from scaling.group_size.fit import ESTIMATORS
from scaling.inter_model.estimate import Estimate
from scaling.observations import FloatArray, Observations
from scaling.regression.bootstrap import Z
from scaling.regression.intervals import t_quantile

MISFIT_P = 0.05  # of the lack-of-fit test: below it, slopes are taken to scatter about the law


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of the free lines less their estimates, (draws, sizes); levels where `levels.seen_level` has them.

    `run_root`: standard normal draws times this are the coefficients of a new run less the mean; None without repeats.
    """

    free: tuple[GroupCurve, ...]
    k: FloatArray
    level: FloatArray
    run_root: FloatArray | None
    seed: int

    def __len__(self) -> int:
        return len(self.k)

    def stream(self, num_params: int) -> np.random.Generator:
        """Random numbers of one size: asking for another one changes nothing."""
        return np.random.Generator(np.random.PCG64([self.seed, num_params]))

    def run_gaps(self, size: int, centre: float, normal: np.random.Generator) -> FloatArray | None:
        """Level at `centre` and k of a new run less those of the mean curve, (draws, 2), as for this size index."""
        if self.run_root is None:
            return None
        coefficients = normal.standard_normal((len(self), len(self.run_root))) @ self.run_root
        return _in_level_and_k(coefficients, self.free[size], centre)


def draws_of(observations: Observations, estimate: Estimate, *, estimator: str, draws: int) -> Draws | None:
    """None without draws, and where nothing shows how large the noise is.

    Only two estimators say what noise is: of counts, and of ln L. The others take theirs from the one that fits.
    """
    if estimator not in ESTIMATORS:
        estimator = "qb" if observations.has_counts else "ols-log"
    design = estimate.design
    if draws < 1 or (estimator == "ols-log" and np.any(observations.loss[design.rows] <= 0)):
        return None
    free = tuple(
        group_curve(observations, design.rows[design.size == size], size, estimator=estimator, terms=LINE)
        for size in range(design.num_sizes)
    )
    seed = int(observations.data_sha256[:16], 16)
    drawn = coefficient_draws(free, draws=draws, seed=seed)
    if drawn is None:
        return None
    gaps = [
        _in_level_and_k(each - curve.coefficients, curve, seen_level(estimate, size)[1])
        for size, (curve, each) in enumerate(zip(free, drawn, strict=True))
    ]
    level, k = (np.stack([gap[:, column] for gap in gaps], axis=1) for column in (0, 1))
    return Draws(free=free, k=k, level=level, run_root=_run_root(free), seed=seed)


def drawn_slopes(estimate: Estimate, draws: Draws, num_params: int, misfit: FloatArray) -> FloatArray:
    """k of a size in every draw; `misfit` are standard normal draws for its scatter about the law."""
    if estimate.form is None:
        own = int(np.searchsorted(estimate.design.sizes, num_params))
        free: FloatArray = estimate.free.slopes[own] + draws.k[:, own]
        return free
    moments = estimate.law_moments
    xx = np.broadcast_to(moments.xx, draws.k.shape)
    theta = estimate.form.solve(estimate.design.sizes, xx, moments.xk + draws.k * moments.xx)
    slopes: FloatArray = estimate.form.slopes(theta, np.array([float(num_params)]))[:, 0]
    if (scatter := law_scatter(estimate)) is not None:
        slopes = slopes + misfit * scatter[0] * t_quantile(scatter[1]) / Z
    return slopes


def law_scatter(estimate: Estimate) -> tuple[float, int] | None:
    """Standard deviation of true slopes about the law, and its degrees of freedom; None where noise explains them.

    Method of moments on Q = sum (k_i - k(N_i))^2 / Var(k_i), whose mean is df + sd^2 sum (1 - h_i) / Var(k_i) with
    h_i the leverage of a size on the law.
    """
    scales = [estimate.law_spread.widest(size) for size in range(estimate.design.num_sizes)]
    if estimate.form is None or estimate.theta is None or any(scale is None for scale in scales):
        return None
    df = estimate.design.num_sizes - len(estimate.theta)
    xx = estimate.law_moments.xx
    variance = np.array([scale[0] for scale in scales if scale is not None]) / xx
    if df < 1 or not np.all(variance > 0):
        return None
    q = float(np.sum((estimate.law_moments.slopes - estimate.law_slopes()) ** 2 / variance))
    noise_df = float(estimate.spread.within_df.sum())
    if estimate.spread.between is not None:
        noise_df = min(noise_df, float(estimate.spread.between_df))
    if fdtrc(df, noise_df, q / df) >= MISFIT_P:
        return None
    jacobian = np.sqrt(xx)[:, None] * estimate.form.jacobian(estimate.theta, estimate.design.sizes)
    leverage = np.sum(jacobian * np.linalg.pinv(jacobian).T, axis=1) if np.all(np.isfinite(jacobian)) else 0.0
    return math.sqrt(max(q - df, 0.0) / float(np.sum((1 - leverage) / variance))), df


def _in_level_and_k(coefficients: FloatArray, curve: GroupCurve, centre: float) -> FloatArray:
    """Coefficients in the position of a group curve, (draws, 2), as level at `centre` and k."""
    return np.stack([coefficients @ curve.basis(np.array([centre]))[0], -coefficients[:, 1] / curve.half], axis=1)


def _run_root(free: Sequence[GroupCurve]) -> FloatArray | None:
    gaps = [run.coefficients - curve.coefficients for curve in free for run in curve.runs if len(curve.runs) > 1]
    df = len(gaps) - sum(len(curve.runs) > 1 for curve in free)
    if df < 1:
        return None
    root: FloatArray = np.stack(gaps) * (t_quantile(df) / Z / math.sqrt(df))
    return root
