"""Which checkpoints are kept: every milestone, the newest few, and what an absent database may still need."""

from __future__ import annotations

import pytest

from workers.checkpointing.resuming import SavedCheckpoint
from workers.checkpointing.retention import expendable


def saved(*steps: int, milestones: tuple[int, ...] = ()) -> list[SavedCheckpoint]:
    return [SavedCheckpoint(step, f"/{step}", step in milestones) for step in steps]


@pytest.mark.parametrize(
    ("steps", "milestones", "keep", "gone"),
    [
        ((), (), 2, []),
        ((10,), (), 2, []),
        ((10, 20, 30, 40), (), 2, [10, 20]),
        ((40, 10, 30, 20), (), 2, [10, 20]),  # in whichever order
        ((10, 20, 30, 40), (10,), 2, [20]),
        ((10, 20, 30, 40), (40,), 1, [10, 20, 30]),  # a milestone is one of the newest, too
        ((10, 20), (10, 20), 0, []),
        ((10, 20), (), 0, [10, 20]),
    ],
)
def test_all_go_but_milestones_and_the_newest(
    steps: tuple[int, ...], milestones: tuple[int, ...], keep: int, gone: list[int]
) -> None:
    assert sorted(each.step for each in expendable(saved(*steps, milestones=milestones), keep=keep)) == gone


def test_what_an_absent_database_knows_stays() -> None:
    gone = expendable(saved(10, 20, 30, 40), keep=1, needed_through=20)
    assert [each.step for each in gone] == [30]
