"""What a person asks of trials: it reaches those that run with their next write, and is asked once."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from db.reader import Reader
from db.states import AttemptState, Directive, TrialState
from db.store import AttemptStore, PlanStore, SteeringStore, claim
from tests.contract.steering import contents
from tests.records import HERE, SWEEP, planned, step


def state(database: Engine, trial_id: int) -> tuple[str, str | None]:
    row = Reader(database).trial(trial_id)
    return row["state"], row["hold"]


def waiting(database: Engine) -> int:
    """A trial that is planned and nothing else."""
    return PlanStore(database).register(SWEEP, [planned(7)]).trial_ids[0]


def test_a_waiting_trial_is_paused_at_once_and_not_queued_until_it_is_resumed(database: Engine) -> None:
    trial, plan, steering = waiting(database), PlanStore(database), SteeringStore(database)
    sweep = Reader(database).sweep(None).id

    assert steering.pause([trial]) == [trial]
    plan.queue([trial], sweep_id=sweep)
    assert state(database, trial) == ("paused", "pause")
    assert not plan.standing([trial])[0].may_start

    assert steering.resume([trial]) == [trial]
    assert state(database, trial) == ("planned", None)
    assert plan.standing([trial])[0].may_start
    plan.queue([trial], sweep_id=sweep)
    assert state(database, trial) == ("queued", None)


@pytest.mark.parametrize(("asked", "ends_as"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_running_trial_hears_of_it_with_its_next_write(
    database: Engine, attempt: AttemptStore, asked: str, ends_as: str
) -> None:
    assert attempt.record_step(step(1)) is Directive.CONTINUE

    assert getattr(SteeringStore(database), asked)([attempt.trial_id]) == [attempt.trial_id]

    assert state(database, attempt.trial_id) == ("running", asked)
    assert attempt.renew() is Directive.DRAIN
    assert attempt.record_step(step(2)) is Directive.DRAIN
    attempt.end(AttemptState.INTERRUPTED)
    assert state(database, attempt.trial_id) == (ends_as, asked)
    assert (Reader(database).trial(attempt.trial_id)["finished_at"] is not None) == (asked == "cancel")


@pytest.mark.parametrize(("asked", "ends_as"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_trial_that_is_lost_meanwhile_stays_where_it_was_asked_to_be(
    database: Engine, attempt: AttemptStore, asked: str, ends_as: str
) -> None:
    getattr(SteeringStore(database), asked)([attempt.trial_id])
    PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda _: True)
    assert state(database, attempt.trial_id) == (ends_as, asked)


@pytest.mark.parametrize("asked", ["pause", "cancel"])
@pytest.mark.parametrize("end", [AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.STOPPED])
def test_what_was_asked_of_a_trial_that_ends_by_itself_came_too_late(
    database: Engine, attempt: AttemptStore, asked: str, end: AttemptState
) -> None:
    getattr(SteeringStore(database), asked)([attempt.trial_id])
    attempt.end(end)
    assert state(database, attempt.trial_id) == (str(end), None)


def test_a_pause_can_be_taken_back_before_the_trial_has_heard_of_it(database: Engine, attempt: AttemptStore) -> None:
    steering = SteeringStore(database)
    steering.pause([attempt.trial_id])
    assert steering.resume([attempt.trial_id]) == [attempt.trial_id]
    assert state(database, attempt.trial_id) == ("running", None)
    assert attempt.record_step(step(1)) is Directive.CONTINUE


@pytest.mark.parametrize("asked", ["pause", "cancel", "resume", "retry"])
def test_asking_twice_changes_nothing_the_second_time(database: Engine, attempt: AttemptStore, asked: str) -> None:
    other = waiting(database)
    ids = [attempt.trial_id, other]
    getattr(SteeringStore(database), asked)(ids)
    before = contents(database)
    assert getattr(SteeringStore(database), asked)(ids) == []
    assert contents(database) == before


def test_what_has_an_end_is_neither_paused_nor_cancelled(database: Engine, attempt: AttemptStore) -> None:
    attempt.end(AttemptState.SUCCEEDED)
    steering = SteeringStore(database)
    assert steering.pause([attempt.trial_id]) == steering.cancel([attempt.trial_id]) == []
    assert steering.prioritise([attempt.trial_id], 5) == []
    assert steering.retry([attempt.trial_id]) == []


def test_a_failed_trial_is_tried_again_and_what_failed_before_counts_no_more(
    database: Engine, attempt: AttemptStore
) -> None:
    attempt.end(AttemptState.FAILED, failure_class="code", message="a bug")
    plan = PlanStore(database)
    assert plan.standing([attempt.trial_id]) == []

    assert SteeringStore(database).retry([attempt.trial_id]) == [attempt.trial_id]

    assert state(database, attempt.trial_id) == ("planned", None)
    (standing,) = plan.standing([attempt.trial_id])
    assert standing.may_start
    assert plan.ended_attempts(attempt.trial_id) == []
    again = claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    assert again.number == attempt.number + 1


def test_a_cancelled_trial_can_be_tried_again_and_a_running_one_goes_on(
    database: Engine, attempt: AttemptStore
) -> None:
    other, steering = waiting(database), SteeringStore(database)
    steering.cancel([attempt.trial_id, other])
    assert state(database, other) == ("cancelled", "cancel")
    assert steering.retry([attempt.trial_id, other]) == sorted([attempt.trial_id, other])
    assert (state(database, attempt.trial_id), state(database, other)) == (("running", None), ("planned", None))


def test_a_failure_that_may_pass_is_followed_by_another_attempt(database: Engine, attempt: AttemptStore) -> None:
    attempt.end(AttemptState.FAILED, failure_class="gpu_memory")
    plan = PlanStore(database)
    plan.recover(attempt.trial_id)
    assert state(database, attempt.trial_id) == (str(TrialState.RECOVERING), None)
    assert plan.standing([attempt.trial_id])[0].may_start
    plan.recover(attempt.trial_id)
    assert state(database, attempt.trial_id) == (str(TrialState.RECOVERING), None)
