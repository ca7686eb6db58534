"""Which of a trial's checkpoints are kept: every milestone, and the newest few."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Kept(Protocol):
    """What a rule needs to know of a checkpoint."""

    @property
    def step(self) -> int: ...
    @property
    def is_milestone(self) -> bool: ...


AnyKept = TypeVar("AnyKept", bound=Kept)


def expendable(saved: Sequence[AnyKept], *, keep: int, needed_through: int | None = None) -> list[AnyKept]:
    """What may be deleted: all but milestones and the `keep` newest, in the order given.

    `needed_through` is the newest step that the database knows a checkpoint of, while it is away: the trial may have
    been given to another attempt, which continues from one of those up to there, so they stay too.
    """
    newest = sorted(saved, key=lambda each: each.step, reverse=True)[:keep]
    return [
        each
        for each in saved
        if each not in newest and not each.is_milestone and (needed_through is None or each.step > needed_through)
    ]
