"""What a driver starts next follows from the database alone, whoever wrote it there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine

from db.states import AttemptState
from db.store import PlanStore, SteeringStore, claim
from orchestrator.launching.trial_queue import MAX_RESTARTS, TrialQueue
from tests.records import HERE, SWEEP, planned


def at_once(question: Callable[[], Any]) -> Any:
    return question()


@pytest.fixture
def plan(sqlite_database: Engine) -> PlanStore:
    return PlanStore(sqlite_database)


@pytest.fixture
def queue(plan: PlanStore) -> TrialQueue:
    """Three trials, in the order of their numbers."""
    registration = plan.register(SWEEP, [planned(number) for number in range(3)])
    return TrialQueue(plan, registration.sweep_id, registration.trial_ids, ask=at_once, look_seconds=0.0)


def finish(database: Engine, trial_id: int, end: AttemptState = AttemptState.SUCCEEDED) -> None:
    claim(database, trial_id=trial_id, sweep_id=1, process=HERE).end(end)


def test_every_trial_is_started_once_and_the_queue_is_over_when_all_have_an_end(
    sqlite_database: Engine, queue: TrialQueue
) -> None:
    started = [queue.next() for _ in range(3)]
    assert started == [1, 2, 3]
    assert queue.next() is None
    assert not queue.is_over
    for trial in (1, 2, 3):
        finish(sqlite_database, trial)
        queue.ended(trial, died=False)
    assert queue.next() is None
    assert queue.is_over


def test_a_higher_priority_goes_first_and_may_be_given_at_any_time(sqlite_database: Engine, queue: TrialQueue) -> None:
    SteeringStore(sqlite_database).prioritise([3], 1)
    assert queue.next() == 3
    SteeringStore(sqlite_database).prioritise([2], 5)
    assert [queue.next(), queue.next()] == [2, 1]


def test_what_is_held_is_waited_for_and_started_when_it_is_resumed(sqlite_database: Engine, queue: TrialQueue) -> None:
    steering = SteeringStore(sqlite_database)
    steering.pause([1, 2])
    steering.cancel([3])
    assert queue.next() is None
    assert not queue.is_over
    steering.resume([2])
    assert queue.next() == 2
    steering.cancel([1])
    finish(sqlite_database, 2)
    queue.ended(2, died=False)
    assert queue.next() is None
    assert queue.is_over


def test_a_trial_that_is_tried_again_joins_in(sqlite_database: Engine, queue: TrialQueue) -> None:
    assert queue.next() == 1
    finish(sqlite_database, 1, AttemptState.FAILED)
    queue.ended(1, died=False)
    assert queue.next() == 2
    SteeringStore(sqlite_database).retry([1])
    assert queue.next() == 1


def test_a_trial_whose_attempts_keep_dying_is_given_up_until_a_person_has_it_tried_again(
    sqlite_database: Engine, plan: PlanStore
) -> None:
    (trial,) = plan.register(SWEEP, [planned(1)]).trial_ids
    queue = TrialQueue(plan, 1, [trial], ask=at_once, look_seconds=0.0)
    for _ in range(1 + MAX_RESTARTS):
        assert queue.next() == trial
        claim(sqlite_database, trial_id=trial, sweep_id=1, process=HERE)
        plan.declare_lost(1, is_dead=lambda _: True)
        queue.ended(trial, died=True)
    assert queue.next() is None
    assert queue.is_over


def test_a_drain_starts_nothing_more(plan: PlanStore, queue: TrialQueue) -> None:
    assert queue.next() == 1
    plan.request_drain(1)
    assert queue.next() is None
    assert not queue.is_over
    queue.ended(1, died=False)
    assert queue.next() is None
    assert queue.is_over
