"""Writing records again, whole or in part, is the same as writing them once."""

from __future__ import annotations

import random
from dataclasses import replace

from sqlalchemy import Engine

from db.reader import Reader
from db.records import (
    AttemptRecord,
    CheckpointRecord,
    DeletedCheckpoint,
    LogPlace,
    Phase,
    Provenance,
    ResumePoint,
)
from db.states import AttemptState, Directive
from db.store import AttemptStore
from tests.contract.attempt_records import ONE_OF_EACH, STORY
from tests.contract.steering import again, contents
from tests.records import step

# Of these the last one counts: an earlier one, written again, would be news.
_FACTS = (Provenance, LogPlace, Phase)


def test_a_record_written_again_changes_nothing(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(*STORY[:-1])
    before = contents(database)
    for record in STORY[:-1]:
        if not isinstance(record, _FACTS) or record in ONE_OF_EACH.values():
            attempt.record(record)
            assert contents(database) == before, record


def test_a_history_delivered_again_from_any_point_changes_nothing(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(*STORY[:-1])
    before = contents(database)
    for start in range(len(STORY) - 1):
        attempt.record(*STORY[start:-1])
    assert contents(database) == before


def test_a_history_delivered_in_pieces_out_of_order_is_the_same_history(
    database: Engine, attempt: AttemptStore
) -> None:
    attempt.record(*STORY[:-1])
    before = contents(database)
    pieces = [record for record in STORY[:-1] if not isinstance(record, _FACTS)]
    chance = random.Random(1)
    for _ in range(10):
        attempt.record(*chance.sample(pieces, 5))
    assert contents(database) == before


def test_an_end_whose_answer_was_lost_may_be_written_again(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(*STORY)
    before = contents(database)
    assert attempt.record(STORY[-1]) is Directive.CONTINUE
    attempt.end(AttemptState.SUCCEEDED, message="again")
    assert contents(database) == before


def test_a_row_is_what_was_written_first(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(step(1, cumulative_samples=64))
    before = contents(database)
    attempt.record(step(1, cumulative_samples=65))
    assert contents(database) == before


def test_a_checkpoint_where_a_deleted_one_was_outlives_the_repetition_of_the_deletion(
    database: Engine, attempt: AttemptStore
) -> None:
    old = CheckpointRecord(1, "/newest", 10, "e" * 64, is_milestone=False)
    attempt.record(ResumePoint(0), step(1), old)
    story = (step(2), DeletedCheckpoint(old.uri, 2), replace(old, step=2))
    attempt.record(*story)
    before = contents(database)
    attempt.record(*story)
    assert contents(database) == before
    later = again(database, attempt)
    story = (ResumePoint(0), step(1), DeletedCheckpoint(old.uri, 1), old)
    later.record(*story)
    before = contents(database)
    later.record(*story)
    assert contents(database) == before
    assert [each.step for each in Reader(database).live_checkpoints(attempt.trial_id)] == [1]


def test_a_record_twice_in_one_batch_is_one_row(database: Engine, attempt: AttemptStore) -> None:
    story: list[AttemptRecord] = [record for record in STORY[:-1] for _ in range(2)]
    attempt.record(*story)
    before = contents(database)
    assert len(before["step"]) == 2
    assert len(before["evaluation"]) == 3
    assert len(before["evaluation_item"]) == 6
    assert len(before["checkpoint"]) == 2
    attempt.record(*STORY[:-1])
    assert contents(database) == before
