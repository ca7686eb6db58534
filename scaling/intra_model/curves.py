"""The evaluations of one run as a curve to be fitted."""

from __future__ import annotations

import numpy as np

from scaling.laws.trajectories import Curve, fit_trajectory
from scaling.observations import IntArray, Observations


def curve_of_run(observations: Observations, rows: IntArray) -> Curve:
    """Points with binomial weights where there are counts, at their own smooth level; else with equal ones."""
    x, loss, attempts = observations.x[rows], observations.loss[rows], observations.attempts[rows]
    before = observations.where("baseline") & (observations.trial_id == observations.trial_id[rows[0]])
    start = float(observations.loss[before][0]) if before.any() else None
    equal = Curve(x, loss, np.ones_like(loss), start)
    if np.isnan(attempts).any():
        return equal
    level = np.clip(fit_trajectory("log-linear", equal).loss(x), 1 / (attempts + 1), 1 - 1 / (attempts + 1))
    weight = attempts / (level * (1 - level))
    return Curve(x, loss, weight / weight.mean(), start)
