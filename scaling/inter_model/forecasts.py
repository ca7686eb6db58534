"""What the smaller sizes say about a larger one, labelled by what the estimation was allowed to see.

The label is computed from row sets and never passed in: whoever lets a scored row into the estimation, if only to
set the level of the curve, gets `oracle_level`. That is what published "extrapolations" often do, and it is listed
here only for comparison; it is not a prediction.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from scaling.inter_model.estimate import Estimate
from scaling.inter_model.results import Forecast, ForecastLine, Mode
from scaling.observations import FloatArray, Observations
from scaling.regression.design import Design, Moments, design_of, sum_by
from scaling.regression.estimators import linearise
from scaling.regression.intervals import run_sd, t_quantile
from scaling.results import Interval

LEVEL_SIZES = 4  # the level is extrapolated from the largest few sizes
SHOT_FRACTION = 0.25


@dataclass(frozen=True, eq=False)
class Target:
    """The rows of one size to be forecast, with the size's own free slope to compare with."""

    size: int
    design: Design
    moments: Moments
    loss: FloatArray

    @property
    def last(self) -> list[int]:
        """Positions (in the design) of the last evaluation of each run."""
        return [int(np.flatnonzero(self.design.run == run)[-1]) for run in range(self.design.num_runs)]

    def first(self, count: int) -> list[int]:
        """Positions of the first `count` evaluations of each run."""
        runs = range(self.design.num_runs)
        return [int(row) for run in runs for row in np.flatnonzero(self.design.run == run)[:count]]


def mode_of(*, seen: Collection[int], level: Collection[int], scored: Collection[int], held_out: bool) -> Mode:
    """Label a forecast from the rows that the estimation saw, those that set the level, and those it is scored on."""
    used = set(seen) | set(level)
    if used & set(scored):
        return "oracle_level" if held_out else "in_sample"
    return "kshot" if level else "zero_shot"


def target_of(observations: Observations, size: int, role: str, estimator: str) -> Target:
    """The rows of this size with this role, ready to be forecast."""
    design = design_of(observations, observations.where(role) & (observations.num_params == size))
    moments = linearise(observations, design, estimator)
    return Target(size, design, moments, observations.loss[design.rows])


def forecast(estimate: Estimate, target: Target) -> tuple[tuple[Forecast, ...], ForecastLine | None]:
    """Slope and final loss of a size that this estimate has not seen: zero-shot, few-shot, and the oracle.

    Nothing below three sizes seen: there is no law to extrapolate.
    """
    if estimate.form is None:
        return (), None
    assert not estimate.rows_seen & set(target.design.rows.tolist())
    shots = max(2, math.ceil(SHOT_FRACTION * int(np.bincount(target.design.run).min())))
    level, level_x, level_half = zero_shot_level(estimate, target)
    k, _ = estimate.law_k(target.size)
    forecasts = [
        _slope_forecast(estimate, target),
        _zero_shot_loss(estimate, target, level=level, level_x=level_x, level_half=level_half),
    ]
    first = target.first(shots)
    if np.all(sum_by(target.design.run[first], target.loss[first], target.design.num_runs) > 0):
        # Shots without a single failure set no level.
        forecasts.append(_levelled_loss(estimate, target, first, m_shot=shots))
    forecasts.append(_levelled_loss(estimate, target, range(len(target.loss)), m_shot=0))
    line = ForecastLine(target.size, k, level, level_x, float(np.exp(target.design.log_x.max())))
    return tuple(forecasts), line


def describe_in_sample(estimate: Estimate, target: Target) -> tuple[Forecast, ...]:
    """Final loss of a size that the law was fitted to; a description, kept beside the forecasts for contrast."""
    if estimate.form is None:
        return ()
    return (_levelled_loss(estimate, target, range(len(target.loss)), m_shot=0, held_out=False),)


def zero_shot_level(estimate: Estimate, target: Target) -> tuple[float, float, float | None]:
    """ln L of an unseen size at a common x, from a line in ln N through the largest sizes seen.

    Returns the level, the x it holds at (the earliest that all sizes share), and the half-width of its 95% interval.
    """
    design, free = estimate.design, estimate.free
    starts = [float(design.log_x[design.size == size].min()) for size in range(design.num_sizes)]
    log_x = max([*starts, float(target.design.log_x.min())])
    run_level = free.run_y + free.slopes[design.run_size] * (free.run_x - log_x)
    levels = np.bincount(design.run_size, run_level) / np.bincount(design.run_size)
    z, y = np.log(design.sizes[-LEVEL_SIZES:]), levels[-LEVEL_SIZES:]
    at = math.log(target.size) - z.mean()
    slope = float((z - z.mean()) @ y / ((z - z.mean()) @ (z - z.mean())))
    residual = y - y.mean() - slope * (z - z.mean())
    df = len(z) - 2
    variance = float(residual @ residual) / df * (1 + 1 / len(z) + at**2 / float((z - z.mean()) @ (z - z.mean())))
    return float(y.mean()) + slope * at, math.exp(log_x), t_quantile(df) * math.sqrt(variance)


def _slope_forecast(estimate: Estimate, target: Target) -> Forecast:
    k, interval = estimate.law_k(target.size)
    widest = estimate.spread.widest(_nearest(estimate, target))
    actual_se = None if widest is None else math.sqrt(widest[0] / float(target.moments.xx[0]))
    mean = interval
    if interval is not None and widest is not None and actual_se is not None:
        half = math.hypot((interval.high - interval.low) / 2, math.sqrt(widest[1]) * actual_se)
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


def _zero_shot_loss(
    estimate: Estimate, target: Target, *, level: float, level_x: float, level_half: float | None
) -> Forecast:
    k, _ = estimate.law_k(target.size)
    reach = target.design.log_x[target.last] - math.log(level_x)
    log_losses = level - k * reach
    new_run = (run_sd(estimate.design, estimate.free) or 0.0) ** 2 / target.design.num_runs
    return _loss_forecast(
        estimate, target, log_losses, level_rows=(), m_shot=0, held_out=True,
        reach=float(reach.mean()), level_half=level_half, run_variance=new_run,
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
    noise = _point_variance(estimate, target) * estimate.spread.inflation / len(rows)
    half = _half_width(estimate, target, noise)
    return _loss_forecast(
        estimate, target, matched - k * log_x[last], level_rows=target.design.rows[rows].tolist(), m_shot=m_shot,
        held_out=held_out, reach=float(reach.mean()), level_half=half, run_variance=0.0,
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
    predicted = float(np.mean(np.exp(log_losses)))
    actual = float(np.mean(target.loss[target.last]))
    variance = _point_variance(estimate, target) / target.design.num_runs + run_variance
    _, k_interval = estimate.law_k(target.size)
    interval = mean = None
    noise_half = _half_width(estimate, target, variance)
    if k_interval is not None and level_half is not None and noise_half is not None:
        curve_half = math.hypot(level_half, reach * (k_interval.high - k_interval.low) / 2)
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
        at_x=float(np.exp(target.design.log_x.max())),
        predicted=predicted,
        interval=interval,
        actual=actual,
        actual_se=actual * math.sqrt(variance) if noise_half is not None else None,
        mean_interval=mean,
        x_outside=_x_outside(estimate, target),
        size_outside=_size_outside(estimate, target),
    )


def _around(loss: float, half: float, method: str) -> Interval:
    """loss times e^-half to e^half. A loss ends at 1; e^700 is where doubles end."""
    return Interval(loss * math.exp(-half), min(loss * math.exp(min(half, 700.0)), max(loss, 1.0)), method)


def _x_outside(estimate: Estimate, target: Target) -> float:
    """How far the last x lies beyond those seen, in units of the range of ln x seen."""
    seen = estimate.design.log_x
    return max(float(target.design.log_x.max() - seen.max()) / float(np.ptp(seen)), 0.0)


def _size_outside(estimate: Estimate, target: Target) -> float:
    """How far ln N lies beyond the sizes seen, in units of their range."""
    sizes = estimate.design.sizes
    beyond = max(math.log(sizes[0] / target.size), math.log(target.size / sizes[-1]), 0.0)
    return beyond / math.log(sizes[-1] / sizes[0]) if beyond > 0 else 0.0


def _nearest(estimate: Estimate, target: Target) -> int:
    """Index of the seen size closest to the target: its noise stands in for the target's."""
    return int(np.argmin(np.abs(np.log(estimate.design.sizes / target.size))))


def _point_variance(estimate: Estimate, target: Target) -> float:
    """Variance of one ln L of the target about its curve, on the scale seen in the nearest size of the estimation."""
    scale = float(estimate.spread.point[_nearest(estimate, target)])
    return scale / float(np.mean(target.moments.weight[target.last]))


def _half_width(estimate: Estimate, target: Target, variance: float) -> float | None:
    widest = estimate.spread.widest(_nearest(estimate, target))
    return None if widest is None else math.sqrt(widest[1] * variance)


def _sizes(estimate: Estimate) -> tuple[int, ...]:
    return tuple(int(size) for size in estimate.design.sizes)
