"""What the slopes and levels of all sizes could be, drawn together, so that curves can be compared draw by draw.

Each draw starts from what the free line of each size could be (correlated noise inside runs, or how far repeats lie
apart, whichever is wider: `group_size.curves.coefficient_draws`), takes the law through the drawn slopes, and adds how
far slopes scatter about a law that does not fit. A draw of the slopes is a whole refit: the law sees the data through
one slope and one weight per size. So bounds and skewness are in the draws, which a covariance would miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.group_size.curves import LINE, GroupCurve, between_root, coefficient_draws, group_curve
from scaling.group_size.fit import ESTIMATORS
from scaling.inter_model.estimate import Estimate
from scaling.inter_model.levels import seen_level
from scaling.inter_model.scatter import law_scatter
from scaling.observations import FloatArray, Observations
from scaling.regression.bootstrap import Z
from scaling.regression.spread import steep_df, t_quantile


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of the free lines less their estimates, (draws, sizes); levels where `levels.seen_level` has them.

    `run_root`: standard normal draws times this are the coefficients of a new run less the mean, for a size that learns
    at `run_k`; None without repeats.
    """

    free: tuple[GroupCurve, ...]
    k: FloatArray
    level: FloatArray
    run_root: FloatArray | None
    run_k: float
    seed: int

    def __len__(self) -> int:
        return len(self.k)

    def stream(self, num_params: int) -> np.random.Generator:
        """Random numbers of one size: asking for another one changes nothing."""
        return np.random.Generator(np.random.PCG64([self.seed, num_params]))

    def run_gaps(self, size: int, centre: float, k: float, normal: np.random.Generator) -> FloatArray | None:
        """Level at `centre` and k of a new run less those of the mean curve, (draws, 2), at the noise of this size
        index and for a size that learns at `k`.
        """
        if self.run_root is None:
            return None
        root = _for_k(self.run_root, k, self.run_k)
        return _in_level_and_k(normal.standard_normal((len(self), len(root))) @ root, self.free[size], centre)


def draws_of(observations: Observations, estimate: Estimate, *, estimator: str, draws: int) -> Draws | None:
    """None without draws, and where nothing shows how large the noise is.

    Only two estimators say what noise is: of counts, and of ln L. The others take theirs from the one that fits. Runs
    of one size differ in how fast they learn by a share of k, so differences seen at other sizes are taken in
    proportion to it.
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
    slopes = estimate.law_slopes()
    run_root, run_k = between_root(free, fewest=1), _typical_k(slopes, free)
    seed = observations.seed_of(design.rows)
    pooled = between_root(free)
    drawn = coefficient_draws(
        free,
        draws=draws,
        seed=seed,
        between=None if pooled is None else [_for_k(pooled, max(float(k), run_k), run_k) for k in slopes],
    )
    if drawn is None:
        return None
    gaps = [
        _in_level_and_k(each - curve.coefficients, curve, seen_level(estimate, size).centre)
        for size, (curve, each) in enumerate(zip(free, drawn, strict=True))
    ]
    level, k = (np.stack([gap[:, column] for gap in gaps], axis=1) for column in (0, 1))
    return Draws(free=free, k=k, level=level, run_root=run_root, run_k=run_k, seed=seed)


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


def _in_level_and_k(coefficients: FloatArray, curve: GroupCurve, centre: float) -> FloatArray:
    """Coefficients in the position of a group curve, (draws, 2), as level at `centre` and k."""
    return np.stack([coefficients @ curve.basis(np.array([centre]))[0], -coefficients[:, 1] / curve.half], axis=1)


def _typical_k(slopes: FloatArray, free: Sequence[GroupCurve]) -> float:
    """Root mean square k of the runs that show differences; smaller the fewer they are, which widens `_for_k`."""
    repeats = np.array([len(curve.runs) if len(curve.runs) > 1 else 0 for curve in free])
    repeated = np.repeat(slopes, repeats)
    df = int(repeats.sum() - np.count_nonzero(repeats))
    if df < 1:
        return 0.0
    return float(np.sqrt(np.mean(repeated**2))) * t_quantile(df) / t_quantile(steep_df(repeated, df))


def _for_k(root: FloatArray, k: float, run_k: float) -> FloatArray:
    """A root of single runs for a size that learns at `k`, from runs that learn at `run_k`: slopes in proportion."""
    scale = np.array([1.0, abs(k) / run_k if run_k > 0 else 1.0])
    scaled: FloatArray = root * scale
    return scaled
