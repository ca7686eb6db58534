"""The end of a run, forecast from a prefix of it: the mean loss over its last tenth, of which no prefix holds any."""

from __future__ import annotations

import math

import numpy as np

from scaling.errors import FitError
from scaling.intra_model.results import PrefixForecast
from scaling.laws.trajectories import Curve, TrajectoryFit, fit_trajectory, gradient
from scaling.observations import FloatArray
from scaling.regression.intervals import t_quantile
from scaling.results import Interval

END_SHARE = 0.1  # of a run: its end, which is forecast


def fitted_or_none(law: str, curve: Curve) -> TrajectoryFit | None:
    """None where this curve cannot have this law: too few points, no score before training."""
    try:
        return fit_trajectory(law, curve)
    except FitError:
        return None


def end_length(curve: Curve) -> int:
    return max(math.ceil(END_SHARE * len(curve)), 1)


def prefix_forecast(law: str, curve: Curve, cut: int, inflation: float) -> PrefixForecast | None:
    seen = curve.first(cut)
    fit = fitted_or_none(law, seen)
    if fit is None:
        return None
    end = slice(len(curve) - end_length(curve), len(curve))
    share = curve.weight[end] / curve.weight[end].sum()
    predicted = float(share @ np.clip(fit.loss(curve.x[end]), 0.0, 1.0))
    free = cut / inflation - len(fit.parameters)
    variance = fit.rss / (cut - len(fit.parameters)) * inflation
    actual_variance = variance / float(curve.weight[end].sum())
    interval = None
    spread = _prediction_variance(fit, seen, curve.x[end], share)
    if spread is not None and free >= 1 and not fit.is_at_edge:
        half = t_quantile(free) * math.sqrt(variance * spread + actual_variance)
        interval = Interval(
            max(predicted - half, 0.0), min(predicted + half, 1.0), "prediction, autocorrelated residuals"
        )
    return PrefixForecast(
        law=law,
        share=cut / len(curve),
        shots=cut,
        from_x=float(curve.x[cut - 1]),
        at_x=float(np.exp(share @ np.log(curve.x[end]))),
        predicted=predicted,
        interval=interval,
        actual=float(share @ curve.loss[end]),
        actual_se=math.sqrt(actual_variance) if variance > 0 else None,
        is_at_edge=fit.is_at_edge,
        x_outside=math.log(curve.x[-1] / seen.x[-1]) / math.log(seen.x[-1] / seen.x[0]),
    )


def _prediction_variance(fit: TrajectoryFit, seen: Curve, at: FloatArray, share: FloatArray) -> float | None:
    """Variance of the mean forecast in units of that of a point of weight 1; None where a number is not determined."""
    jacobian = np.sqrt(seen.weight)[:, None] * gradient(fit, seen.x)
    information = jacobian.T @ jacobian
    scale = np.sqrt(np.diag(information))
    if np.any(scale <= 0) or np.linalg.cond(information / np.outer(scale, scale)) > 1e12:
        return None
    toward = share @ gradient(fit, at)
    return float(toward @ np.linalg.solve(information, toward))
