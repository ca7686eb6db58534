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
    _require_training(observations)
    admitted = observations
    if estimator == "qb":
        uncounted = _used(admitted) & np.isnan(admitted.failures)
        admitted = admitted.with_role(uncounted, "unusable", "a score without counts, which the others have")
    if estimator in NEED_LOG_LOSS:
        perfect = _used(admitted) & (admitted.loss <= 0)
        admitted = admitted.with_role(perfect, "clipped", "every answer right: ln L does not exist")
    admitted = admitted.with_role(_without_failures(admitted), "clipped", "no wrong answer anywhere in the run")
    admitted = admitted.with_role(_still(admitted), "unusable", "the run has one evaluation inside the window")
    if not admitted.where("train").any():
        raise FitError(_nothing_left(admitted))
    gone = sorted(set(observations.sizes("holdout")) - set(admitted.sizes("holdout")))
    if gone:
        lost = np.isin(admitted.num_params, gone) & observations.where("holdout")
        reasons = sorted({admitted.reason[row] for row in np.flatnonzero(lost)})
        raise FitError(
            f"N = {', '.join(map(str, gone))} was set aside to be forecast, but has no evaluation to hold a forecast "
            f"against ({'; '.join(reasons)}). Set aside another size, or none."
        )
    return admitted


def _require_training(observations: Observations) -> None:
    if observations.where("holdout").any() and not observations.where("train").any():
        sizes = ", ".join(map(str, observations.sizes("holdout")))
        raise FitError(
            f"every size is set aside ({sizes}), so nothing is left to learn from. Leave one size or more in the fit."
        )


def _nothing_left(admitted: Observations) -> str:
    perfect = admitted.where("clipped")
    if perfect.any() and not admitted.where("unusable").any():
        return (
            "every answer is right in all of these evaluations: a test loss of 0 has no slope. Fit a harder benchmark "
            "(--benchmark), or an earlier window (--from, --to)."
        )
    return f"no run has two usable evaluations at different {admitted.x_kind}{_window(admitted)}."


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
