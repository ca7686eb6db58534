"""What a driver starts next follows from the database alone, whoever wrote it there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, RowMapping

from db.reader import Reader
from db.records import Process
from db.states import AttemptState
from db.store import PlanStore, SteeringStore, claim
from orchestrator.launching.trial_queue import STILLBORN_RESTARTS, Start, TrialQueue
from orchestrator.sweepfile.retry import Retry, RetryPolicy
from tests.records import HERE, SWEEP, planned


def at_once(question: Callable[[], Any]) -> Any:
    return question()


@pytest.fixture
def plan(sqlite_database: Engine) -> PlanStore:
    return PlanStore(sqlite_database)


def queue_of(plan: PlanStore, num_trials: int, *gone: str, **policies: RetryPolicy) -> TrialQueue:
    """Trials in the order of their numbers, on a cluster that these nodes have left."""
    registration = plan.register(SWEEP, [planned(number) for number in range(num_trials)])
    return TrialQueue(
        plan, registration.sweep_id, registration.trial_ids, retry=Retry(**policies), ask=at_once,
        is_node_gone=lambda node: node in gone, look_seconds=0.0,
    )  # fmt: skip


@pytest.fixture
def queue(plan: PlanStore) -> TrialQueue:
    return queue_of(plan, 3)


def started(queue: TrialQueue) -> int | None:
    """Number of the trial that the queue starts now."""
    start = queue.next()
    return None if start is None else start.trial_id


def finish(
    database: Engine, trial_id: int, end: AttemptState = AttemptState.SUCCEEDED, *, failure_class: str | None = None
) -> None:
    store = claim(database, trial_id=trial_id, sweep_id=1, process=HERE)
    store.end(end, failure_class=failure_class, message=failure_class)


def lose(database: Engine, trial_id: int, *, node: str | None = None) -> None:
    claim(database, trial_id=trial_id, sweep_id=1, process=replace(HERE, node_id=node))
    PlanStore(database).declare_lost(1, is_dead=lambda _: True)


def last_attempt(database: Engine, trial_id: int) -> RowMapping:
    return Reader(database).attempts(trial_id)[-1]


def state(database: Engine, trial_id: int) -> str:
    return str(Reader(database).trial(trial_id)["state"])


def test_every_trial_is_started_once_and_the_queue_is_over_when_all_have_an_end(
    sqlite_database: Engine, queue: TrialQueue
) -> None:
    assert [started(queue) for _ in range(3)] == [1, 2, 3]
    assert queue.next() is None
    assert not queue.is_over
    for trial in (1, 2, 3):
        finish(sqlite_database, trial)
        queue.ended(trial, was_tried=True)
    assert queue.next() is None
    assert queue.is_over


def test_a_higher_priority_goes_first_and_may_be_given_at_any_time(sqlite_database: Engine, queue: TrialQueue) -> None:
    SteeringStore(sqlite_database).prioritise([3], 1)
    assert started(queue) == 3
    SteeringStore(sqlite_database).prioritise([2], 5)
    assert [started(queue), started(queue)] == [2, 1]


def test_what_is_held_is_waited_for_and_started_when_it_is_resumed(sqlite_database: Engine, queue: TrialQueue) -> None:
    steering = SteeringStore(sqlite_database)
    steering.pause([1, 2])
    steering.cancel([3])
    assert queue.next() is None
    assert not queue.is_over
    steering.resume([2])
    assert started(queue) == 2
    steering.cancel([1])
    finish(sqlite_database, 2)
    queue.ended(2, was_tried=True)
    assert queue.next() is None
    assert queue.is_over


def test_a_trial_that_is_tried_again_joins_in(sqlite_database: Engine, queue: TrialQueue) -> None:
    assert started(queue) == 1
    finish(sqlite_database, 1, AttemptState.FAILED, failure_class="code")
    queue.ended(1, was_tried=True)
    assert started(queue) == 2
    SteeringStore(sqlite_database).retry([1])
    assert started(queue) == 1


def test_a_trial_whose_attempts_keep_dying_is_given_up_at_once_and_started_anew_when_a_person_asks(
    sqlite_database: Engine, plan: PlanStore
) -> None:
    queue = queue_of(plan, 1, died=RetryPolicy(max=2))
    for _ in range(3):
        assert started(queue) == 1
        lose(sqlite_database, 1)
        queue.ended(1, was_tried=True)
    assert state(sqlite_database, 1) == "failed"
    told = last_attempt(sqlite_database, 1)
    assert (told["state"], told["failure_class"]) == ("lost", "died")
    assert told["message"].endswith("retry.died.max is 2, and it made no progress in between.")
    SteeringStore(sqlite_database).retry([1])
    assert started(queue) == 1
    lose(sqlite_database, 1)
    queue.ended(1, was_tried=True)
    assert state(sqlite_database, 1) == "recovering", "what failed before counts no more"


def test_an_attempt_that_is_lost_with_its_node_is_told_from_one_that_was_killed(
    sqlite_database: Engine, plan: PlanStore
) -> None:
    queue = queue_of(plan, 2, "a", died=RetryPolicy(max=0), node_lost=RetryPolicy(max=1))
    assert [started(queue), started(queue)] == [1, 2]
    for trial, node in ((1, "a"), (2, "b")):
        lose(sqlite_database, trial, node=node)
        queue.ended(trial, was_tried=True)
    classes = [last_attempt(sqlite_database, trial)["failure_class"] for trial in (1, 2)]
    assert classes == ["node_lost", "died"]
    assert [state(sqlite_database, trial) for trial in (1, 2)] == ["recovering", "failed"]


def test_an_attempt_of_which_nothing_is_heard_is_declared_lost_by_the_driver(
    sqlite_database: Engine, queue: TrialQueue
) -> None:
    """Nobody is left on its node, and of the process that claimed it none of that name and start is here."""
    gone = Process(socket.gethostname(), os.getpid(), HERE.process_started_at)
    claim(sqlite_database, trial_id=1, sweep_id=1, process=gone)
    assert started(queue) == 2
    assert state(sqlite_database, 1) == "recovering"
    assert started(queue) == 1


def test_failures_that_may_pass_are_tried_again_and_bugs_are_not(sqlite_database: Engine, plan: PlanStore) -> None:
    queue = queue_of(plan, 2)
    assert [started(queue), started(queue)] == [1, 2]
    for trial, failure in ((1, "host_memory"), (2, "code")):
        finish(sqlite_database, trial, AttemptState.FAILED, failure_class=failure)
        queue.ended(trial, was_tried=True)
    assert [state(sqlite_database, trial) for trial in (1, 2)] == ["recovering", "failed"]
    assert queue.next() is None, "after a pause of a minute, not at once"
    assert not queue.is_over


def test_where_the_processes_lost_each_other_the_next_attempt_goes_elsewhere(
    sqlite_database: Engine, plan: PlanStore
) -> None:
    queue = queue_of(plan, 1, nccl=RetryPolicy(max=3, exclude_node=True))
    for node in ("a", "b"):
        assert started(queue) == 1
        store = claim(sqlite_database, trial_id=1, sweep_id=1, process=replace(HERE, node_id=node))
        store.end(AttemptState.FAILED, failure_class="nccl", message="ncclSystemError")
        queue.ended(1, was_tried=True)
    assert queue.next() == Start(1, avoid=("b", "a"))


def test_a_trial_that_cannot_be_started_at_all_is_given_up(sqlite_database: Engine, plan: PlanStore) -> None:
    queue = queue_of(plan, 1)
    for _ in range(1 + STILLBORN_RESTARTS):
        assert started(queue) == 1
        queue.ended(1, was_tried=True)
    assert state(sqlite_database, 1) == "failed"
    assert queue.next() is None
    assert queue.is_over


def test_a_drain_starts_nothing_more(plan: PlanStore, queue: TrialQueue) -> None:
    assert started(queue) == 1
    plan.request_drain(1)
    assert queue.next() is None
    assert not queue.is_over
    queue.ended(1, was_tried=False)
    assert queue.next() is None
    assert queue.is_over
