"""The learning curve of every size, trained or not, and what it could be instead.

A curve is ln L = level - k (ln x - centre). The slope comes from the law k(N), or is the size's own; the level from the
size's own evaluations or, for a size without any, from a line in ln N through the nearest sizes. Nothing here looks at
a row that the estimation was not given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.axes import BUDGETS
from scaling.errors import FitError
from scaling.forecasting.draws import Draws, drawn_slopes, draws_of
from scaling.inter_model.estimate import Estimate
from scaling.inter_model.levels import seen_level, unseen_level
from scaling.observations import FloatArray, Observations
from scaling.regression.estimators import point_weight


@dataclass(frozen=True, eq=False)
class SizeCurve:
    """One size. `centre` is the ln x at which `level` (ln L) holds; draws are (draws,), of new runs (draws, 2).

    `run_gaps`: how far level and k of one new run may lie from those of the mean curve; None without repeats.
    `scoring`: standard normal draws for the noise of one evaluation, whose ln L has variance `noise` at weight 1.
    `x_min` and `x_max`: ln x seen of this size, or of all sizes where none was seen of it.
    """

    num_params: int
    is_seen: bool
    k: float
    level: float
    centre: float
    x_min: float
    x_max: float
    drawn_k: FloatArray | None
    drawn_level: FloatArray | None
    run_gaps: FloatArray | None
    scoring: FloatArray | None
    noise: float
    attempts: float
    estimator: str

    @property
    def intercept(self) -> float:
        """ln L at ln x = 0."""
        return self.level + self.k * self.centre

    def log_loss(self, log_x: FloatArray) -> FloatArray:
        """ln L of the curve at each ln x."""
        curve: FloatArray = self.level - self.k * (log_x - self.centre)
        return curve

    def drawn(self, log_x: FloatArray) -> FloatArray:
        """ln L of the curve at each ln x in every draw, (draws, x)."""
        assert self.drawn_level is not None
        assert self.drawn_k is not None
        curve: FloatArray = self.drawn_level[:, None] - self.drawn_k[:, None] * (log_x - self.centre)
        return curve

    def drawn_run(self, log_x: FloatArray) -> FloatArray:
        """What a new run could measure at each ln x, (draws, x): its own level and slope, and the noise of scoring."""
        assert self.scoring is not None
        curve = self.drawn(log_x)
        if self.run_gaps is not None:
            curve = curve + self.run_gaps[:, :1] - self.run_gaps[:, 1:] * (log_x - self.centre)
        weight = point_weight(self.estimator, np.exp(np.minimum(curve, 0.0)), self.attempts)
        scored: FloatArray = self.scoring[:, None] * np.sqrt(self.noise / weight)
        return curve + scored

    def outside(self, log_x: float) -> float:
        """How far ln x lies outside what was seen, in units of the range of ln x seen."""
        beyond = max(self.x_min - log_x, log_x - self.x_max, 0.0)
        return beyond / (self.x_max - self.x_min) if beyond > 1e-9 else 0.0


def size_curves(
    observations: Observations, estimate: Estimate, sizes: Sequence[int], *, estimator: str, draws: int
) -> tuple[SizeCurve, ...]:
    """A curve for each of these sizes, in their order. What a size gets does not depend on which others are asked for.

    FitError for a size that was not seen, where there is no law to take it from.
    """
    seen = [int(size) for size in estimate.design.sizes]
    if (unseen := [size for size in sizes if size not in seen]) and estimate.form is None:
        raise FitError(
            f"nothing tells how N = {', '.join(map(str, unseen))} learns: no law k(N) was fitted to the {len(seen)} "
            f"size{'s' if len(seen) > 1 else ''} trained ({', '.join(map(str, seen))}). Train three sizes or more "
            "(four for hill) and ask for a law, or ask for a size that was trained."
        )
    drawn = draws_of(observations, estimate, estimator=estimator, draws=draws)
    return tuple(_curve(observations, estimate, drawn, size, estimator=estimator) for size in sizes)


def slope_of(estimate: Estimate, num_params: int) -> float:
    """k of a size: under the law where there is one, else its free slope."""
    if estimate.form is None or estimate.theta is None:
        return float(estimate.free.slopes[int(np.searchsorted(estimate.design.sizes, num_params))])
    return float(estimate.form.slopes(estimate.theta[None], np.array([float(num_params)]))[0, 0])


def _curve(
    observations: Observations, estimate: Estimate, draws: Draws | None, num_params: int, *, estimator: str
) -> SizeCurve:
    design = estimate.design
    near = int(np.argmin(np.abs(np.log(design.sizes / num_params))))  # the size itself, where it was seen
    is_seen = bool(design.sizes[near] == num_params)
    is_budget = observations.x_kind in BUDGETS
    level = seen_level(estimate, near) if is_seen else unseen_level(estimate, num_params, is_budget=is_budget)
    k = slope_of(estimate, num_params)
    drawn_k = drawn_level = gaps = scoring = None
    if draws is not None:
        stream = draws.stream(num_params)
        misfit, shift, scoring = stream.standard_normal((3, len(draws)))
        drawn_k = drawn_slopes(estimate, draws, num_params, misfit)
        drawn_level = level.log_loss + (draws.level[:, near] if is_seen else level.off * shift)
        gaps = draws.run_gaps(near, level.centre, k, stream)
    nearest = design.size == near
    log_x = design.log_x[nearest] if is_seen else design.log_x
    return SizeCurve(
        num_params=num_params,
        is_seen=is_seen,
        k=k,
        level=level.log_loss,
        centre=level.centre,
        x_min=float(log_x.min()),
        x_max=float(log_x.max()),
        drawn_k=drawn_k,
        drawn_level=drawn_level,
        run_gaps=gaps,
        scoring=scoring,
        noise=float(estimate.spread.point[near]),
        attempts=float(np.median(observations.attempts[design.rows[nearest]])),
        estimator=estimator,
    )
