"""The end of a run, forecast from a prefix of it: the mean loss over its last tenth, of which no prefix holds any.

Nothing that came after the prefix is in a forecast: points are weighted at the level that the prefix has, and noise and
its correlation are those that the prefix shows, by what its own law leaves over (`regression.correlated_noise`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.errors import FitError
from scaling.intra_model.curves import curve_of_run, relative_variances
from scaling.intra_model.parameters import correlation_about, covariance_about, noise_about
from scaling.intra_model.results import PrefixForecast
from scaling.laws.trajectories import Curve, TrajectoryFit, fit_trajectory, gradient
from scaling.observations import FloatArray, IntArray, Observations
from scaling.regression.correlated_noise import ar1
from scaling.regression.spread import t_quantile
from scaling.results import Interval

END_SHARE = 0.1  # of a run: its end, which is forecast
METHOD = "prediction, correlated noise"


@dataclass(frozen=True, eq=False)
class _End:
    """What is forecast: the evaluations `rows`, at `x`, whose plain mean is `actual`."""

    rows: IntArray
    x: FloatArray
    actual: float


def fitted_or_none(law: str, curve: Curve) -> TrajectoryFit | None:
    """None where this curve cannot have this law: too few points, no score before training."""
    try:
        return fit_trajectory(law, curve)
    except FitError:
        return None


def end_length(evaluations: int) -> int:
    """Evaluations in the last tenth of a run."""
    return max(math.ceil(END_SHARE * evaluations), 1)


def prefix_forecasts(
    observations: Observations, rows: IntArray, laws: Sequence[str], cuts: Sequence[int]
) -> list[PrefixForecast]:
    """Every law from every prefix of the run in these rows, law by law; laws that a prefix cannot have are left out."""
    last = rows[len(rows) - end_length(len(rows)) :]
    end = _End(last, observations.x[last], float(np.mean(observations.loss[last])))
    made: dict[str, list[PrefixForecast]] = {law: [] for law in laws}
    for cut in cuts:
        seen = curve_of_run(observations, rows[:cut])
        fitted = [fit for law in laws if (fit := fitted_or_none(law, seen)) is not None]
        if not fitted:
            continue
        correlation = correlation_about(seen, min(fitted, key=lambda fit: fit.rss))
        for fit in fitted:
            made[fit.law].append(_forecast(observations, seen, fit, end, correlation, share=cut / len(rows)))
    return [forecast for law in laws for forecast in made[law]]


def _forecast(
    observations: Observations, seen: Curve, fit: TrajectoryFit, end: _End, correlation: float, *, share: float
) -> PrefixForecast:
    losses = np.clip(fit.loss(end.x), 0.0, 1.0)
    predicted = float(np.mean(losses))
    variance, df = noise_about(seen, fit, correlation)
    spread = np.sqrt(relative_variances(observations, end.rows, losses, seen))
    scored = variance * float(spread @ ar1(len(end.x), correlation) @ spread) / len(end.x) ** 2
    interval = None
    curve = _curve_variance(fit, seen, end.x, correlation)
    if curve is not None and len(seen) > len(fit.parameters) and not fit.is_at_edge:
        half = t_quantile(df) * math.sqrt(variance * curve + scored)
        interval = Interval(max(predicted - half, 0.0), min(predicted + half, 1.0), METHOD)
    return PrefixForecast(
        law=fit.law,
        share=share,
        shots=len(seen),
        from_x=float(seen.x[-1]),
        at_x=float(np.exp(np.mean(np.log(end.x)))),
        predicted=predicted,
        interval=interval,
        actual=end.actual,
        actual_se=math.sqrt(scored) if variance > 0 else None,
        is_at_edge=fit.is_at_edge,
        x_outside=math.log(end.x[-1] / seen.x[-1]) / math.log(seen.x[-1] / seen.x[0]),
    )


def _curve_variance(fit: TrajectoryFit, seen: Curve, at: FloatArray, correlation: float) -> float | None:
    """Variance of the mean of the law at these x, in units of that of an evaluation of weight 1."""
    covariance = covariance_about(seen, fit, correlation)
    if covariance is None:
        return None
    toward = np.mean(gradient(fit, at), axis=0)
    return float(toward @ covariance @ toward)
