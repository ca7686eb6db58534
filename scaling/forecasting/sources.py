"""What a forecast rests on: the estimation, and which of a size's evaluations it saw.

A label is computed from row sets and never passed in: a row that was set aside and used all the same makes an
`oracle_level`, whoever asked for what.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from scaling.admission import admit
from scaling.errors import FitError
from scaling.inter_model.estimate import MIN_SIZES_FOR_LAW, Estimate, estimate
from scaling.inter_model.labels import mode_of
from scaling.laws.k_forms import K_FORMS
from scaling.observations import Observations
from scaling.regression.estimators import choose_estimator


@dataclass(frozen=True, eq=False)
class Source:
    """The admitted observations and the estimation made of those that train."""

    observations: Observations
    estimate: Estimate
    k_form: str
    estimator: str

    @property
    def trained_on(self) -> tuple[int, ...]:
        """Sizes seen, ascending."""
        return tuple(int(size) for size in self.estimate.design.sizes)


def source_of(
    observations: Observations, *, k_form: str, estimator: str, holdout: Collection[int] | None = None
) -> Source:
    """Estimate slopes and law from everything but `holdout`."""
    if k_form not in (names := (*K_FORMS, "free")):
        raise FitError(f"k(N) form {k_form!r} is unknown. Choose one of {', '.join(names)}.")
    if holdout:
        observations = observations.hold_out(holdout)
    estimator = choose_estimator(estimator, observations)
    admitted = admit(observations, estimator)
    made = estimate(admitted, admitted.where("train"), estimator=estimator, k_form=k_form, draws=0)
    return Source(admitted, made, k_form, estimator)


def label_of(observations: Observations, seen: Collection[int], size: int, x: float) -> str:
    """The label of a prediction of this size at x by an estimation that saw these rows."""
    mine = observations.num_params == size
    used = sorted(set(np.flatnonzero(mine).tolist()) & set(seen))
    set_aside = set(np.flatnonzero(mine & observations.where("holdout")).tolist())
    if set_aside & set(used):
        return mode_of(seen=used, level=(), scored=set_aside, held_out=True)
    if not used:
        return mode_of(seen=(), level=(), scored=(), held_out=True)
    log_x = np.log(observations.x[used])
    if log_x.min() - 1e-9 <= math.log(x) <= log_x.max() + 1e-9:
        return mode_of(seen=used, level=used, scored=used, held_out=False)
    shots = int(np.unique(observations.trial_id[used], return_counts=True)[1].min())
    return f"{mode_of(seen=(), level=used, scored=(), held_out=False)}({shots})"


def size_outside(sizes: Sequence[int], size: int) -> float:
    """How far ln N lies outside the sizes seen, in units of their range; infinity where there is no range."""
    beyond = max(math.log(sizes[0] / size), math.log(size / sizes[-1]), 0.0)
    if beyond == 0.0:
        return 0.0
    return beyond / math.log(sizes[-1] / sizes[0]) if len(sizes) >= MIN_SIZES_FOR_LAW else math.inf
