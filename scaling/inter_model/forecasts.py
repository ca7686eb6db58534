"""What the smaller sizes say about a larger one: its slope, and its last loss with a level from three sources.

Zero-shot forecasts take the level from the other sizes, few-shot ones from the size's first evaluations. What is often
published as an extrapolation sets it from all of them; that is listed for comparison and labelled by `labels.mode_of`.
Intervals rest on what the estimation saw: nothing that was measured of the target later is in them.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from scaling.axes import BUDGETS
from scaling.inter_model.estimate import Estimate
from scaling.inter_model.labels import mode_of
from scaling.inter_model.levels import Level, unseen_level
from scaling.inter_model.results import Forecast, ForecastLine
from scaling.inter_model.scatter import law_scatter
from scaling.observations import FloatArray, IntArray, Observations
from scaling.regression.design import Design, Moments, design_of, last_together, sum_by
from scaling.regression.estimators import linearise, point_weight
from scaling.regression.intervals import run_sd
from scaling.regression.spread import t_quantile
from scaling.results import Interval

SHOT_FRACTION = 0.25


@dataclass(frozen=True, eq=False)
class Target:
    """The rows of one size to be forecast, with the size's own free slope to compare with.

    `last`: position in the design of the last evaluation of each run, where all runs got (`last_together`).
    """

    size: int
    design: Design
    moments: Moments
    loss: FloatArray
    attempts: FloatArray
    estimator: str
    is_budget: bool
    last: IntArray

    def first(self, count: int) -> list[int]:
        """Positions of the first `count` evaluations of each run."""
        runs = range(self.design.num_runs)
        return [int(row) for run in runs for row in np.flatnonzero(self.design.run == run)[:count]]


def target_of(observations: Observations, size: int, role: str, estimator: str) -> Target:
    """The rows of this size with this role, ready to be forecast."""
    design = design_of(observations, observations.where(role) & (observations.num_params == size))
    return Target(
        size=size,
        design=design,
        moments=linearise(observations, design, estimator),
        loss=observations.loss[design.rows],
        attempts=observations.attempts[design.rows],
        estimator=estimator,
        is_budget=observations.x_kind in BUDGETS,
        last=last_together(design, np.arange(design.num_runs)),
    )


def forecast(estimate: Estimate, target: Target) -> tuple[tuple[Forecast, ...], ForecastLine | None]:
    """Slope and final loss of a size that this estimate has not seen: zero-shot, few-shot, and the oracle.

    Nothing below three sizes seen: there is no law to extrapolate.
    """
    if estimate.form is None:
        return (), None
    assert not estimate.rows_seen & set(target.design.rows.tolist())
    shots = max(2, math.ceil(SHOT_FRACTION * int(np.bincount(target.design.run).min())))
    level = unseen_level(estimate, target.size, is_budget=target.is_budget)
    k, _ = estimate.law_k(target.size)
    forecasts = [_slope_forecast(estimate, target), _zero_shot_loss(estimate, target, level)]
    first = target.first(shots)
    if np.all(sum_by(target.design.run[first], target.loss[first], target.design.num_runs) > 0):
        # Shots without a single failure set no level.
        forecasts.append(_levelled_loss(estimate, target, first, m_shot=shots))
    forecasts.append(_levelled_loss(estimate, target, range(len(target.loss)), m_shot=0))
    x_max = float(np.exp(target.design.log_x.max()))
    line = ForecastLine(target.size, k, level.log_loss, math.exp(level.centre), x_max)
    return tuple(forecasts), line


def describe_in_sample(estimate: Estimate, target: Target) -> tuple[Forecast, ...]:
    """Final loss of a size that the law was fitted to; a description, kept beside the forecasts for contrast."""
    if estimate.form is None:
        return ()
    return (_levelled_loss(estimate, target, range(len(target.loss)), m_shot=0, held_out=False),)


def _slope_forecast(estimate: Estimate, target: Target) -> Forecast:
    k = estimate.law_k(target.size)[0]
    mean_half = _curve_slope_half(estimate, target)
    widest = estimate.spread.widest(_nearest(estimate, target))
    interval = mean = actual_se = None
    if mean_half is not None and widest is not None:
        xx = float(target.moments.xx[0])
        runs = (_run_slope_sd(estimate) * k) ** 2 * float(np.sum(target.moments.run_xx**2)) / xx**2
        variance = max(widest[0] / xx, runs)
        actual_se = math.sqrt(variance)
        half = math.hypot(mean_half, math.sqrt(widest[1] * variance))
        mean = Interval(k - mean_half, k + mean_half, "mean curve")
        interval = Interval(k - half, k + half, "prediction")
    return Forecast(
        mode=mode_of(
            seen=estimate.rows_seen, level=(), scored=target.design.rows.tolist(), held_out=True
        ),
        quantity="k",
        target_size=target.size,
        trained_on=_sizes(estimate),
        m_shot=0,
        at_x=None,
        predicted=k,
        interval=interval,
        actual=float(target.moments.slopes[0]),
        actual_se=actual_se,
        mean_interval=mean,
        size_outside=_size_outside(estimate, target),
    )  # fmt: skip


def _zero_shot_loss(estimate: Estimate, target: Target, level: Level) -> Forecast:
    reach = target.design.log_x[target.last] - level.centre
    new_run = (run_sd(estimate.design, estimate.free) or 0.0) ** 2 / target.design.num_runs
    return _loss_forecast(
        estimate, target, level.log_loss - estimate.law_k(target.size)[0] * reach, level_rows=(), m_shot=0,
        held_out=True, reach=float(reach.mean()), level_half=level.half_width, run_variance=new_run,
    )  # fmt: skip


def _levelled_loss(
    estimate: Estimate, target: Target, level_rows: Collection[int], *, m_shot: int, held_out: bool = True
) -> Forecast:
    """Final loss where each run's level comes from some of its own rows: sum of losses matched, so zeros are fine."""
    k, _ = estimate.law_k(target.size)
    rows = np.array(sorted(level_rows))
    run, log_x = target.design.run, target.design.log_x
    matched = np.array(
        [
            math.log(np.sum(target.loss[mine])) - float(logsumexp(-k * log_x[mine]))
            for mine in (rows[run[rows] == each] for each in range(target.design.num_runs))
        ]
    )
    last = target.last
    reach = log_x[last] - np.bincount(run[rows], log_x[rows]) / np.bincount(run[rows])
    at_level = matched[run[rows]] - k * log_x[rows]
    noise = _point_variance(estimate, target, at_level, rows) * estimate.spread.inflation / len(rows)
    return _loss_forecast(
        estimate, target, matched - k * log_x[last], level_rows=target.design.rows[rows].tolist(), m_shot=m_shot,
        held_out=held_out, reach=float(reach.mean()), level_half=_half_width(estimate, target, noise), run_variance=0.0,
    )  # fmt: skip


def _loss_forecast(
    estimate: Estimate,
    target: Target,
    log_losses: FloatArray,
    *,
    level_rows: Collection[int],
    m_shot: int,
    held_out: bool,
    reach: float,
    level_half: float | None,
    run_variance: float,
) -> Forecast:
    """`log_losses`: forecast ln L of each run at its last x, `reach` of ln x away from its level."""
    predicted = float(np.mean(np.exp(log_losses)))
    actual = float(np.mean(target.loss[target.last]))
    slope_of_runs = (_run_slope_sd(estimate) * estimate.law_k(target.size)[0] * reach) ** 2
    scored = _point_variance(estimate, target, log_losses, target.last)
    variance = (scored + slope_of_runs) / target.design.num_runs + run_variance
    slope_half, noise_half = _curve_slope_half(estimate, target), _half_width(estimate, target, variance)
    interval = mean = None
    if slope_half is not None and level_half is not None and noise_half is not None:
        curve_half = math.hypot(level_half, reach * slope_half)
        mean = _around(predicted, curve_half, "mean curve")
        interval = _around(predicted, math.hypot(curve_half, noise_half), "prediction")
    return Forecast(
        mode=mode_of(
            seen=estimate.rows_seen,
            level=level_rows,
            scored=target.design.rows[target.last].tolist(),
            held_out=held_out,
        ),
        quantity="loss",
        target_size=target.size,
        trained_on=_sizes(estimate),
        m_shot=m_shot,
        at_x=float(np.exp(target.design.log_x[target.last].max())),
        predicted=predicted,
        interval=interval,
        actual=actual,
        actual_se=actual * math.sqrt(variance) if noise_half is not None else None,
        mean_interval=mean,
        x_outside=_x_outside(estimate, target),
        size_outside=_size_outside(estimate, target),
    )


def _curve_slope_half(estimate: Estimate, target: Target) -> float | None:
    """Half-width of the 95% interval of the size's true k: that of the law, and how far sizes lie off it."""
    _, interval = estimate.law_k(target.size)
    if interval is None:
        return None
    half = (interval.high - interval.low) / 2
    scatter = law_scatter(estimate)
    return half if scatter is None else math.hypot(half, t_quantile(scatter[1]) * scatter[0])


def _run_slope_sd(estimate: Estimate) -> float:
    """Standard deviation of k between runs of one size, relative to k; 0 where nothing shows it."""
    return estimate.spread.slope_sd or 0.0


def _around(loss: float, half: float, method: str) -> Interval:
    """loss times e^-half to e^half. A loss ends at 1; e^700 is where doubles end."""
    return Interval(loss * math.exp(-half), min(loss * math.exp(min(half, 700.0)), max(loss, 1.0)), method)


def _x_outside(estimate: Estimate, target: Target) -> float:
    """How far the last x lies beyond those seen, in units of the range of ln x seen."""
    seen = estimate.design.log_x
    return max(float(target.design.log_x[target.last].max() - seen.max()) / float(np.ptp(seen)), 0.0)


def _size_outside(estimate: Estimate, target: Target) -> float:
    """How far ln N lies beyond the sizes seen, in units of their range."""
    sizes = estimate.design.sizes
    beyond = max(math.log(sizes[0] / target.size), math.log(target.size / sizes[-1]), 0.0)
    return beyond / math.log(sizes[-1] / sizes[0]) if beyond > 0 else 0.0


def _nearest(estimate: Estimate, target: Target) -> int:
    """Index of the seen size closest to the target: its noise stands in for the target's."""
    return int(np.argmin(np.abs(np.log(estimate.design.sizes / target.size))))


def _point_variance(estimate: Estimate, target: Target, log_losses: FloatArray, rows: IntArray) -> float:
    """Mean variance of ln L of these rows of the target about its curve, were their losses these.

    On the scale seen in the nearest size of the estimation: what was measured of the target takes no part.
    """
    scale = float(estimate.spread.point[_nearest(estimate, target)])
    attempts = target.attempts[rows]
    weight = point_weight(target.estimator, np.exp(np.minimum(log_losses, 0.0)), attempts)
    return scale * float(np.mean(1 / weight))


def _half_width(estimate: Estimate, target: Target, variance: float) -> float | None:
    widest = estimate.spread.widest(_nearest(estimate, target))
    return None if widest is None else math.sqrt(widest[1] * variance)


def _sizes(estimate: Estimate) -> tuple[int, ...]:
    return tuple(int(size) for size in estimate.design.sizes)
