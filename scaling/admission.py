"""Which of the training rows an estimator can actually use, and what is said about the others.

Nothing is clipped to an epsilon: a loss whose logarithm does not exist either keeps its counts (`qb`,
`linear-ls`) or leaves the estimation (`ols-log`, `huber`) with a reason.
"""

import numpy as np

from scaling.errors import FitError
from scaling.observations import BoolArray, Observations
from scaling.regression.estimators import NEED_LOG_LOSS


def admit(observations: Observations, estimator: str) -> Observations:
    """Take out of the estimation the rows from which no slope can be learned."""
    admitted = observations
    if estimator in NEED_LOG_LOSS:
        perfect = _used(admitted) & (admitted.loss <= 0)
        admitted = admitted.with_role(perfect, "clipped", "every answer right: ln L does not exist")
    admitted = admitted.with_role(_without_failures(admitted), "clipped", "no wrong answer anywhere in the run")
    admitted = admitted.with_role(_still(admitted), "unusable", "the run has one evaluation inside the window")
    if not admitted.where("train").any():
        raise FitError(f"no run has two usable evaluations at different {admitted.x_kind}{_window(admitted)}.")
    return admitted


def _used(observations: Observations) -> BoolArray:
    return observations.where("train") | observations.where("holdout")


def _without_failures(observations: Observations) -> BoolArray:
    used = _used(observations)
    failing = np.unique(observations.trial_id[used & (observations.loss > 0)])
    return used & ~np.isin(observations.trial_id, failing)


def _still(observations: Observations) -> BoolArray:
    used = _used(observations)
    still = [
        trial
        for trial in np.unique(observations.trial_id[used])
        if np.ptp(np.log(observations.x[used & (observations.trial_id == trial)])) <= 0
    ]
    return used & np.isin(observations.trial_id, still)


def _window(observations: Observations) -> str:
    start, end = observations.from_x, observations.to_x
    if start is None and end is None:
        return ", and a slope needs two: wait for more evaluations"
    bounds = [f"from {start:g} on" if start is not None else "", f"up to {end:g}" if end is not None else ""]
    return f" {' '.join(filter(None, bounds))}: widen the window with --from, or wait for more evaluations"
