"""The store's contract: claims, fencing, leases, the live lineage, writes that may be repeated."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace

import pytest
from sqlalchemy import URL, Engine, func, select, text, update

from db.database import begin_write, open_database
from db.errors import SpecError, StaleAttemptError
from db.reader import Reader
from db.records import CheckpointRecord, FitRecords, ModelRecord
from db.states import AttemptState, Directive, TrialState
from db.store import AttemptStore, FitStore, PlanStore, claim
from db.store.leases import GRACE_SECONDS
from db.tables import Attempt, Step
from db.types import database_now
from tests.records import HERE, SWEEP, evaluation, planned, step


@pytest.fixture
def attempt(database: Engine) -> AttemptStore:
    registration = PlanStore(database).register(SWEEP, [planned(1)])
    return claim(database, trial_id=registration.trial_ids[0], sweep_id=registration.sweep_id, process=HERE)


def again(database: Engine, attempt: AttemptStore) -> AttemptStore:
    """The next attempt at the same trial, after the first was lost."""
    PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda _: True)
    return claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)


def test_a_trial_that_is_being_run_cannot_be_claimed(database: Engine, attempt: AttemptStore) -> None:
    with pytest.raises(StaleAttemptError, match=r"held by its attempt 1 \(process 4711 on node-1\)"):
        claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)


def test_a_write_by_a_dead_attempt_is_refused_and_changes_nothing(database: Engine, attempt: AttemptStore) -> None:
    attempt.record_step(step(1))
    living = again(database, attempt)
    with pytest.raises(StaleAttemptError):
        attempt.record_step(step(2))
    with pytest.raises(StaleAttemptError):
        attempt.end(AttemptState.SUCCEEDED)
    assert living.number == 2
    with database.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Step)) == 1


def wait_out_grace(database: Engine) -> None:
    """A PostgreSQL server that has only just started takes no lease for run out."""
    while database.dialect.name == "postgresql":
        with database.connect() as connection:
            uptime = connection.scalar(
                text("SELECT EXTRACT(EPOCH FROM clock_timestamp() - pg_postmaster_start_time())")
            )
        if float(uptime) > GRACE_SECONDS:
            return
        time.sleep(0.2)


def test_an_expired_lease_lets_another_take_over(database: Engine, attempt: AttemptStore) -> None:
    wait_out_grace(database)
    with begin_write(database) as connection:
        connection.execute(update(Attempt).values(lease_expires_at=database_now(-1)))
    living = claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    assert living.number == 2
    assert [row["state"] for row in Reader(database).attempts(attempt.trial_id)] == ["lost", "running"]


def test_only_expired_or_dead_attempts_are_declared_lost(database: Engine, attempt: AttemptStore) -> None:
    assert PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda _: False) == []
    assert PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda p: p == HERE) == [attempt.trial_id]
    assert Reader(database).trial(attempt.trial_id)["state"] == TrialState.RECOVERING


def test_writing_a_row_twice_is_writing_it_once(database: Engine, attempt: AttemptStore) -> None:
    for _ in range(2):
        attempt.record_step(step(1))
        attempt.record_evaluation(evaluation(1, 0.4))
        attempt.record_checkpoint(CheckpointRecord(1, "/c", 10, "a" * 64, False))
    reader = Reader(database)
    assert len(reader.curve([attempt.trial_id])) == 1
    assert len(reader.live_checkpoints(attempt.trial_id)) == 1


def test_the_live_view_has_every_step_once_after_a_resume(database: Engine, attempt: AttemptStore) -> None:
    attempt.resume_from(0)
    attempt.record_evaluation(evaluation(0, 0.3))
    for number in range(1, 6):
        attempt.record_step(step(number, loss=1.0))
        attempt.record_evaluation(evaluation(number, 0.3 + number / 100))
    attempt.record_checkpoint(CheckpointRecord(3, "/c3", 10, "a" * 64, False))
    attempt.record_checkpoint(CheckpointRecord(5, "/c5", 10, "a" * 64, False))
    living = again(database, attempt)
    living.resume_from(3)
    for number in range(4, 8):
        living.record_step(step(number, loss=2.0))
        living.record_evaluation(evaluation(number, 0.5))
    reader = Reader(database)
    curve = reader.curve([attempt.trial_id])
    assert [(row["step"], row["attempt"]) for row in curve] == [
        (0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2),
    ]  # fmt: skip
    assert [row["samples"] for row in curve] == [64 * number for number in range(8)]
    assert [checkpoint.uri for checkpoint in reader.live_checkpoints(attempt.trial_id)] == ["/c3"]
    (row,) = reader.trials(attempt.sweep_id)
    assert (row.step, row.attempt, row.share) == (7, 2, 0.7)
    assert row.first_loss == pytest.approx(0.7)
    assert row.last_loss == pytest.approx(0.5)


def test_flops_of_the_largest_runs_are_kept(database: Engine, attempt: AttemptStore) -> None:
    attempt.record_step(step(1, cumulative_flops=3.2e23))
    attempt.record_evaluation(evaluation(1, 0.4))
    assert Reader(database).curve([attempt.trial_id])[0]["flops"] == 3.2e23


def test_a_missing_number_is_null(database: Engine, attempt: AttemptStore) -> None:
    attempt.record_step(step(1))
    attempt.record_evaluation(evaluation(1, 0.4))
    row = Reader(database).curve([attempt.trial_id])[0]
    assert (row["paper_flops"], row["successes"], row["num_params"]) == (None, None, None)


def test_a_drain_reaches_the_trial_with_its_next_write(database: Engine, attempt: AttemptStore) -> None:
    assert attempt.record_step(step(1)) is Directive.CONTINUE
    PlanStore(database).request_drain(attempt.sweep_id)
    assert attempt.record_step(step(2)) is Directive.DRAIN
    PlanStore(database).clear_drain(attempt.sweep_id)
    assert attempt.renew() is Directive.CONTINUE


def test_a_failure_ends_the_trial_with_its_reason(database: Engine, attempt: AttemptStore) -> None:
    attempt.end(AttemptState.FAILED, message="loss became nan", failure_class="numerical", traceback="Traceback")
    (row,) = Reader(database).trials(attempt.sweep_id)
    assert (row.state, row.failure_class, row.message) == ("failed", "numerical", "loss became nan")
    with pytest.raises(StaleAttemptError):
        attempt.renew()


def test_moments_are_the_databases_and_in_utc(database: Engine, attempt: AttemptStore) -> None:
    (row,) = Reader(database).attempts(attempt.trial_id)
    now = Reader(database).now()
    assert now.tzinfo is not None
    assert 0 <= (now - row["started_at"]).total_seconds() < 60
    assert row["process_started_at"] == HERE.process_started_at
    assert 0 < (row["lease_expires_at"] - now).total_seconds() <= 60


def _claim_in_process(url: URL, trial_id: int, sweep_id: int, results: multiprocessing.Queue[bool]) -> None:
    engine = open_database(url, create=False)
    try:
        claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=HERE)
        results.put(True)
    except StaleAttemptError:
        results.put(False)


def test_of_many_processes_that_race_for_a_trial_one_wins(database: Engine) -> None:
    registration = PlanStore(database).register(SWEEP, [planned(1)])
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[bool] = context.Queue()
    arguments = (database.url, registration.trial_ids[0], registration.sweep_id, results)
    racers = [context.Process(target=_claim_in_process, args=arguments) for _ in range(8)]
    for racer in racers:
        racer.start()
    outcomes = [results.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert sorted(outcomes) == [False] * 7 + [True]


def test_a_trial_does_not_go_on_with_other_weights(database: Engine, attempt: AttemptStore) -> None:
    model = ModelRecord("m", 10, 12, source="org/m", revision="main", weights_sha256="a" * 64)
    attempt.record_model(model)
    attempt.record_model(model)
    with pytest.raises(SpecError, match="are not those that trial 1 was started from"):
        attempt.record_model(replace(model, weights_sha256="b" * 64))


def test_a_fit_is_kept_once(database: Engine) -> None:
    fit = {
        "sweep_id": None, "rlsweep_version": "1", "scope": "inter-model", "x": "samples", "benchmark": "b",
        "protocol": "p", "k_form": "free", "estimator": "ols-log", "settings": {"draws": 10}, "data_sha256": "a" * 64,
        "num_points": 4, "num_effective": 3.0, "num_sizes": 2, "num_runs": 2, "num_parameters": 4, "phi": None,
        "run_sd": None, "deviance": 0.1, "aicc": None, "r2": None, "r2_size_means": None, "status": "free_slopes_only",
    }  # fmt: skip
    store = FitStore(database)
    first = store.save(FitRecords(fit, [], [], [], [], []))
    assert store.save(FitRecords(dict(fit), [], [], [], [], [])) == first
    assert store.save(FitRecords(fit | {"data_sha256": "b" * 64}, [], [], [], [], [])) != first
    assert store.save(FitRecords(fit | {"settings": {"draws": 20}}, [], [], [], [], [])) != first
