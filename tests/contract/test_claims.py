"""Who may run a trial: claims, leases, and what happens when a claim and the claimed attempt meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine, update

from db.connection.engines import begin_write
from db.errors import StaleAttemptError
from db.reader import Reader
from db.states import AttemptState, TrialState
from db.store import AttemptStore, PlanStore, claim
from db.tables import Attempt
from db.types import database_now
from tests.contract.steering import contents, let_leases_run_out
from tests.records import HERE, SWEEP, planned, step


def test_a_trial_that_is_being_run_cannot_be_claimed(database: Engine, attempt: AttemptStore) -> None:
    before = contents(database)
    with pytest.raises(StaleAttemptError, match=r"held by its attempt 1 \(process 4711 on node-1\)"):
        claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    assert contents(database) == before


def test_a_claim_makes_the_trial_running_and_counts_its_attempts(database: Engine, attempt: AttemptStore) -> None:
    trial = Reader(database).trial(attempt.trial_id)
    assert (trial["state"], trial["attempts"], attempt.number) == (TrialState.RUNNING, 1, 1)
    attempt.end(AttemptState.INTERRUPTED)
    following = claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    trial = Reader(database).trial(attempt.trial_id)
    assert (trial["state"], trial["attempts"], following.number) == (TrialState.RUNNING, 2, 2)


def test_an_expired_lease_lets_another_take_over(database: Engine, attempt: AttemptStore) -> None:
    let_leases_run_out(database)
    living = claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    assert living.number == 2
    first, second = Reader(database).attempts(attempt.trial_id)
    assert (first["state"], second["state"]) == ("lost", "running")
    assert first["ended_at"] is not None
    assert first["message"] == "Its lease ran out."


def test_every_write_renews_the_lease(database: Engine, attempt: AttemptStore) -> None:
    let_leases_run_out(database)
    attempt.record_step(step(1))
    with pytest.raises(StaleAttemptError, match="is held"):
        claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    let_leases_run_out(database)
    attempt.renew()
    assert PlanStore(database).is_held(attempt.trial_id)


def test_only_expired_or_dead_attempts_are_declared_lost(database: Engine, attempt: AttemptStore) -> None:
    plan = PlanStore(database)
    assert plan.declare_lost(attempt.sweep_id, is_dead=lambda _: False) == []
    assert plan.declare_lost(attempt.sweep_id, is_dead=lambda process: process == HERE) == [attempt.trial_id]
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.RECOVERING
    assert plan.declare_lost(attempt.sweep_id, is_dead=lambda _: True) == []
    claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    let_leases_run_out(database)
    assert plan.declare_lost(attempt.sweep_id, is_dead=lambda _: False) == [attempt.trial_id]


def test_an_attempt_that_ended_is_not_declared_lost(database: Engine, attempt: AttemptStore) -> None:
    attempt.end(AttemptState.SUCCEEDED)
    assert PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda _: True) == []
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.SUCCEEDED


def test_leases_are_counted_on_the_databases_clock_in_utc(database: Engine, attempt: AttemptStore) -> None:
    (row,) = Reader(database).attempts(attempt.trial_id)
    now = Reader(database).now()
    assert now.tzinfo is not None
    assert 0 <= (now - row["started_at"]).total_seconds() < 60
    assert row["process_started_at"] == HERE.process_started_at
    assert 0 < (row["lease_expires_at"] - now).total_seconds() <= 60


def test_a_late_write_a_claim_and_a_declaration_of_loss_never_wait_for_each_other(database: Engine) -> None:
    sweep = PlanStore(database).register(SWEEP, [planned(number) for number in range(12)])
    outcomes: Counter[str] = Counter()
    for trial_id in sweep.trial_ids:
        late = claim(database, trial_id=trial_id, sweep_id=sweep.sweep_id, process=HERE)
        let_leases_run_out(database)
        outcomes += _at_once(
            partial(late.record_step, step(1)),
            partial(claim, database, trial_id=trial_id, sweep_id=sweep.sweep_id, process=HERE),
            partial(PlanStore(database).declare_lost, sweep.sweep_id, is_dead=lambda _: False),
        )
        living = [row["number"] for row in Reader(database).attempts(trial_id) if row["state"] == "running"]
        assert len(living) <= 1
        with begin_write(database) as connection:
            connection.execute(
                update(Attempt)
                .where(Attempt.state == AttemptState.RUNNING)
                .values(state=AttemptState.LOST, ended_at=database_now())
            )
    assert set(outcomes) <= {"done", "StaleAttemptError"}, outcomes


def _at_once(*calls: Callable[[], object]) -> Counter[str]:
    """Do all of these at the same time; returns how they ended."""
    gate, outcomes = Barrier(len(calls)), Counter[str]()

    def run(call: Callable[[], object]) -> None:
        gate.wait()
        try:
            call()
            outcomes["done"] += 1
        except Exception as error:
            outcomes[type(error).__name__] += 1

    threads = [Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
