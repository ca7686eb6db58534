"""Which gold answers would not be taken for right, or cannot be read at all: errors of the data, never of a model.

Each truth is judged twice: against itself, as a model would write it, and against an answer that is surely wrong.
The second one finds truths that are only ever equal to their own text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workers.rewards import Answer, Mode, Truth, Verdict
from workers.rewards.pool import RewardPool
from workers.rewards.sources import scorer_of


@dataclass(frozen=True, slots=True)
class WrongTruth:
    """The place of a gold answer among those given, and what became of it."""

    place: int
    truth: Truth
    verdict: Verdict


def check_truths(pool: RewardPool, truths: Sequence[tuple[str, Truth]], *, mode: Mode) -> list[WrongTruth]:
    """The truths, each with its data source, that do not tell right from wrong. Raises SpecError for the sources."""
    scorers = [scorer_of(source) for source, _ in truths]
    own = [
        Answer(source, scorer.own_answer(truth), truth) for scorer, (source, truth) in zip(scorers, truths, strict=True)
    ]
    wrong = [
        Answer(each.data_source, scorer.wrong_answer, each.truth) for scorer, each in zip(scorers, own, strict=True)
    ]
    verdicts = pool.judge([*own, *wrong], mode=mode)
    return [
        WrongTruth(place, answer.truth, bad)
        for place, answer in enumerate(own)
        if (bad := _fault(verdicts[place], verdicts[len(own) + place])) is not None
    ]


def _fault(own: Verdict, wrong: Verdict) -> Verdict | None:
    if own.score != 1:
        return own
    return wrong if wrong.outcome in ("exception", "timed_out") or _is_right(wrong) else None


def _is_right(verdict: Verdict) -> bool:
    return verdict.outcome == "scored" and verdict.score == 1
