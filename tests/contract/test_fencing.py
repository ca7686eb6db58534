"""Whatever an attempt writes after it was ended or replaced is refused and changes nothing."""

from __future__ import annotations

from typing import get_args

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from db.errors import SpecError, StaleAttemptError
from db.records import (
    AttemptRecord,
    CheckpointRecord,
    DataSetRecord,
    DeletedCheckpoint,
    LogPlace,
    ModelRecord,
)
from db.states import AttemptState
from db.store import AttemptStore, claim
from tests.contract.attempt_records import ONE_OF_EACH, STORY
from tests.contract.steering import again, contents, let_leases_run_out
from tests.records import HERE, evaluation, step

# With fields of its own, so that a row of it would be new.
_LATE: dict[str, AttemptRecord] = ONE_OF_EACH | {
    "StepRecord": step(3),
    "EvaluationRecord": evaluation(3, 0.9),
    "CheckpointRecord": CheckpointRecord(3, "/c3", 10, "e" * 64, is_milestone=False),
    "DeletedCheckpoint": DeletedCheckpoint("/c2", 3),
    "DataSetRecord": DataSetRecord("other", None, "e" * 64, num_problems=None),
    "ModelRecord": ModelRecord("other", 10, weights_sha256="f" * 64),
    "LogPlace": LogPlace("/logs/late.log"),
}


def test_every_type_of_record_is_tried_here() -> None:
    assert set(ONE_OF_EACH) == {kind.__name__ for kind in get_args(AttemptRecord)}


def test_a_replaced_attempts_late_record_is_refused_and_changes_nothing(
    database: Engine, attempt: AttemptStore
) -> None:
    attempt.record(*STORY[:-1])
    living = again(database, attempt)
    living.resume_from(1)
    before = contents(database)
    for late in _LATE.values():
        with pytest.raises(StaleAttemptError, match="Attempt 1 of trial 1 was ended or replaced"):
            attempt.record(late)
        assert contents(database) == before, late
    living.record(*(_LATE[kind] for kind in _LATE if kind not in ("ModelRecord", "AttemptEnd")))
    assert contents(database) != before


def test_an_attempt_that_ended_writes_nothing_more(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(*STORY[:-1])
    attempt.end(AttemptState.INTERRUPTED)
    before = contents(database)
    for late in _LATE.values():  # its end says that it succeeded
        with pytest.raises(StaleAttemptError):
            attempt.record(late)
    with pytest.raises(StaleAttemptError):
        attempt.renew()
    assert contents(database) == before


def test_an_attempt_is_fenced_off_by_its_successor_alone(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(*STORY[:-2])
    let_leases_run_out(database)
    attempt.record(step(3))  # nobody has taken over, so it is still the living one
    let_leases_run_out(database)
    claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    before = contents(database)
    for late in _LATE.values():
        with pytest.raises(StaleAttemptError):
            attempt.record(late)
    assert contents(database) == before


def test_of_a_batch_that_fails_in_the_middle_nothing_is_left(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(*STORY[:-1])
    before = contents(database)
    for refused in (
        evaluation(3, 1.5),
        step(3, cumulative_samples=-1),
        ModelRecord("m", 10, weights_sha256="b" * 64),
        evaluation(3, 0.5, benchmark="b" * 81),
    ):
        with pytest.raises((DBAPIError, SpecError)):
            attempt.record(step(3), _LATE["CheckpointRecord"], _LATE["LogPlace"], refused, step(4))
        assert contents(database) == before, refused
    attempt.record(step(3))
    assert contents(database) != before
