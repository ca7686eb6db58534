"""The evaluations of one run as a curve to be fitted."""

from __future__ import annotations

import numpy as np

from scaling.laws.trajectories import Curve, fit_trajectory
from scaling.observations import FloatArray, IntArray, Observations


def curve_of_run(observations: Observations, rows: IntArray) -> Curve:
    """Points with binomial weights where there are counts, at the smooth level of these rows; else with equal ones."""
    x, loss, attempts = observations.x[rows], observations.loss[rows], observations.attempts[rows]
    before = observations.where("baseline") & (observations.trial_id == observations.trial_id[rows[0]])
    start = float(observations.loss[before][0]) if before.any() else None
    equal = Curve(x, loss, np.ones_like(loss), start)
    if np.isnan(attempts).any():
        return equal
    weight = 1 / _binomial(fit_trajectory("log-linear", equal).loss(x), attempts)
    return Curve(x, loss, weight / weight.mean(), start, scale=float(weight.mean()))


def relative_variances(observations: Observations, rows: IntArray, losses: FloatArray, seen: Curve) -> FloatArray:
    """Variance of each of these rows, were their losses these, in units of that of a point of `seen` of weight 1."""
    attempts = observations.attempts[rows]
    if np.isnan(attempts).any() or seen.scale is None:
        return np.ones(len(rows))
    return _binomial(losses, attempts) * seen.scale


def _binomial(loss: FloatArray, attempts: FloatArray) -> FloatArray:
    """Variance of a score; a loss of 0 or 1 is kept as far from it as the attempts can tell."""
    level = np.clip(loss, 1 / (attempts + 1), 1 - 1 / (attempts + 1))
    variance: FloatArray = level * (1 - level) / attempts
    return variance
