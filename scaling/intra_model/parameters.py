"""How far the numbers of a law on one curve could be off, by the correlated noise that the law leaves over.

Linear in the numbers about the best ones (Gauss and Newton), the noise an AR(1) process whose correlation and variance
are set right for what the fit took away of them (`regression.correlated_noise`).
"""

from __future__ import annotations

import math

import numpy as np

from scaling.laws.trajectories import Curve, TrajectoryFit, fitted_names, gradient
from scaling.observations import FloatArray
from scaling.regression.correlated_noise import Series, ar1, correlation_of, detrended, variance_of
from scaling.regression.spread import t_quantile
from scaling.results import Interval

METHOD = "correlated noise"
SINGULAR = 1e12  # condition number of the scaled information


def parameter_intervals(curve: Curve, fit: TrajectoryFit) -> dict[str, Interval | None]:
    """95% intervals by name; None for a number that is at an edge, measured, or not determined by these points."""
    found: dict[str, Interval | None] = dict.fromkeys(fit.parameters)
    if fit.is_at_edge or len(curve) <= len(fit.parameters) + 1:
        return found
    correlation = correlation_about(curve, fit)
    covariance = covariance_about(curve, fit, correlation)
    if covariance is None:
        return found
    variance, df = noise_about(curve, fit, correlation)
    for name, of_number in zip(fitted_names(fit), np.diag(covariance), strict=True):
        half = t_quantile(df) * math.sqrt(variance * float(of_number))
        found[name] = Interval(fit.parameters[name] - half, fit.parameters[name] + half, METHOD)
    return found


def correlation_about(curve: Curve, fit: TrajectoryFit) -> float:
    """Of neighbouring evaluations, as what the law leaves over shows it; 0 where it leaves next to nothing."""
    return correlation_of([_left(curve, fit)]) if len(curve) > len(fit.parameters) + 1 else 0.0


def noise_about(curve: Curve, fit: TrajectoryFit, correlation: float) -> tuple[float, float]:
    """Variance of an evaluation of weight 1, and the degrees of freedom it is known with."""
    return variance_of([_left(curve, fit)], correlation)


def covariance_about(curve: Curve, fit: TrajectoryFit, correlation: float) -> FloatArray | None:
    """Of the fitted numbers, in units of the variance of an evaluation of weight 1; None where it is singular."""
    jacobian = _weighted_gradient(curve, fit)
    information = jacobian.T @ jacobian
    scale = np.sqrt(np.diag(information))
    if np.any(scale <= 0) or np.linalg.cond(information / np.outer(scale, scale)) > SINGULAR:
        return None
    solver = np.linalg.solve(information, jacobian.T)
    covariance: FloatArray = solver @ ar1(len(curve), correlation) @ solver.T
    return covariance


def _left(curve: Curve, fit: TrajectoryFit) -> Series:
    residual = np.sqrt(curve.weight) * (curve.loss - fit.loss(curve.x))
    return detrended(residual, _weighted_gradient(curve, fit))


def _weighted_gradient(curve: Curve, fit: TrajectoryFit) -> FloatArray:
    slopes: FloatArray = np.sqrt(curve.weight)[:, None] * gradient(fit, curve.x)
    return slopes
