"""A run that saw its prompts several times, and its twin that saw every prompt once: the difference of their losses.

A pair agrees in everything but tau and is compared at equal numbers of prompts, by the rule of the view `data_reuse`.
What the two share (seed, order, model) cancels, so a difference says more than one between means. A run without a
twin stays out and is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.errors import FitError
from scaling.observations import CONFIGURATION, FloatArray, IntArray, Observations, Row

# Equal in both runs of a pair. A value that is not known equals another that is not known.
SETTINGS = (*(name for name in CONFIGURATION if name != "tau"), "seed")
Key = tuple[object, ...]


@dataclass(frozen=True, eq=False)
class Pair:
    """ln L(tau) - ln L(1) at every number of prompts `x` that both runs were evaluated at, ascending.

    `has_zeros`: one of the losses was 0, so all of the pair's are (c + 1/2) / (n + 1) of c wrong answers in n.
    """

    model: str
    num_params: int
    tau: float
    seed: int
    trial_id: int
    twin_trial_id: int
    settings: Key
    x: FloatArray
    difference: FloatArray
    has_zeros: bool

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Pairing:
    """The pairs, ordered by size, model, tau and seed, and the runs without one: (trial, reason)."""

    pairs: tuple[Pair, ...]
    left_out: tuple[tuple[int, str], ...]


def pair_runs(rows: Sequence[Row], observations: Observations) -> Pairing:
    """Pair every run with tau > 1 among the training rows; FitError where no run has a twin.

    `observations` are these rows over samples. Of several twins the one with most evaluations in common is taken.
    """
    settings = {_trial(row): tuple(_plain(row.get(name)) for name in SETTINGS) for row in rows}
    taus = {_trial(row): _tau(row) for row in rows}
    used = observations.where("train")
    evaluated = {trial: np.flatnonzero(used & (observations.trial_id == trial)) for trial in sorted(settings)}
    singles = [trial for trial in sorted(settings) if taus[trial] == 1]
    pairs: list[Pair] = []
    left_out: list[tuple[int, str]] = []
    for trial in sorted(settings):
        tau = taus[trial]
        if tau is None:
            left_out.append((trial, "its tau is not known"))
        elif tau > 1:
            twins = [single for single in singles if settings[single] == settings[trial]]
            if not twins:
                left_out.append((trial, _what_differs(settings[trial], [settings[single] for single in singles])))
                continue
            made = [_pair(observations, evaluated[trial], evaluated[twin], tau, settings[trial]) for twin in twins]
            if found := [pair for pair in made if pair is not None]:
                pairs.append(max(found, key=len))
            else:
                left_out.append((trial, "it and its twin have no usable evaluation at an equal number of prompts"))
    if not pairs:
        raise FitError(_nothing(left_out, has_reuse=any(tau not in (None, 1) for tau in taus.values())))
    return Pairing(tuple(sorted(pairs, key=_order)), tuple(left_out))


def _what_differs(mine: Key, singles: Sequence[Key]) -> str:
    """What keeps the runs with tau = 1 from being the twin: in the one that is most like it."""
    model = SETTINGS.index("model")
    differing = [
        [name for name, own, other in zip(SETTINGS, mine, single, strict=True) if own != other]
        for single in singles
        if single[model] == mine[model]
    ]
    if not differing:
        return "its model has no run with tau = 1"
    _, fewest = min((len(names), names) for names in differing)
    return f"the run with tau = 1 that is most like it differs in {', '.join(fewest)}"


def _pair(observations: Observations, mine: IntArray, twin: IntArray, tau: float, settings: Key) -> Pair | None:
    _, first, second = np.intersect1d(observations.x[mine], observations.x[twin], return_indices=True)
    mine, twin = mine[first], twin[second]
    upper, lower = observations.loss[mine], observations.loss[twin]
    has_zeros = bool(np.any(upper <= 0) or np.any(lower <= 0))
    if has_zeros:
        upper, lower = _half_counts(observations, mine), _half_counts(observations, twin)
    usable = (upper > 0) & (lower > 0)
    if not usable.any():
        return None
    index = int(mine[0])
    return Pair(
        model=observations.model[index],
        num_params=int(observations.num_params[index]),
        tau=tau,
        seed=int(observations.seed[index]),
        trial_id=int(observations.trial_id[index]),
        twin_trial_id=int(observations.trial_id[twin[0]]),
        settings=settings,
        x=observations.x[mine][usable],
        difference=np.log(upper[usable]) - np.log(lower[usable]),
        has_zeros=has_zeros,
    )


def _half_counts(observations: Observations, rows: IntArray) -> FloatArray:
    """(c + 1/2) / (n + 1), the add-half estimate whose logarithm has next to no bias; the loss itself without counts.

    Both runs of a pair get it at every x, so that it cancels between them (Anscombe 1956, Biometrika 43, 461).
    """
    failures, attempts = observations.failures[rows], observations.attempts[rows]
    losses: FloatArray = np.where(np.isnan(failures), observations.loss[rows], (failures + 0.5) / (attempts + 1.0))
    return losses


def _nothing(left_out: Sequence[tuple[int, str]], *, has_reuse: bool) -> str:
    if not has_reuse:
        return (
            "no run uses its prompts more than once (tau > 1), so there is no reuse to judge. Run a sweep with several "
            "values of tau, 1 among them."
        )
    reasons = "; ".join(sorted({reason for _, reason in left_out}))
    return (
        f"no run with tau > 1 has a twin with tau = 1 to be compared with ({reasons}). Add runs with tau = 1 and the "
        "same seeds and settings, evaluated at the same steps."
    )


def _order(pair: Pair) -> tuple[int, str, float, int, int]:
    return pair.num_params, pair.model, pair.tau, pair.seed, pair.trial_id


def _trial(row: Row) -> int:
    return int(row["trial_id"])  # type: ignore[call-overload,no-any-return]


def _tau(row: Row) -> float | None:
    value = row.get("tau")
    return None if value is None else float(value)  # type: ignore[arg-type]


def _plain(value: object) -> object:
    return float(value) if isinstance(value, (int, float)) else value
