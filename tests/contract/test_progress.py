"""What a sweep has paid, how fast it goes and what failed last, on both databases; and its limits are kept."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text, update

from db.connection.engines import begin_write
from db.progress import ProgressReader
from db.records import Provenance
from db.spending import Spending, SpendingReader
from db.states import AttemptState
from db.store import AttemptStore, PlanStore, claim
from db.tables import Attempt, Step
from db.types import database_now
from orchestrator.launching.limits import reached
from orchestrator.launching.oversight import driver_of
from orchestrator.sweepfile.running import Limits
from tests.contract.steering import again, let_leases_run_out
from tests.records import HERE, SWEEP, evaluation, planned, step
from workers.provenance import describe_environment
from workers.spec import Execution

FLOPS_OF_A_STEP = 1e19
NO_LIMITS = Limits()


def on_gpus(number: float) -> Provenance:
    return replace(describe_environment(Execution(), engine="vllm", device="cpu"), num_gpus=number)


def took(database: Engine, attempt: AttemptStore, *, hours: float) -> None:
    """Say that the attempt began so long ago."""
    with begin_write(database) as connection:
        connection.execute(
            update(Attempt)
            .where(Attempt.trial_id == attempt.trial_id, Attempt.number == attempt.number)
            .values(started_at=database_now(-3600 * hours))
        )


def test_every_attempt_is_paid_for_whether_its_steps_count_or_not(database: Engine, attempt: AttemptStore) -> None:
    spending = SpendingReader(database, attempt.sweep_id)
    assert spending.read() == Spending(0.0, 0.0)
    attempt.describe(on_gpus(4.0))
    attempt.record(step(1), step(2), evaluation(2, 0.5))
    took(database, attempt, hours=2)
    assert spending.read().flops == 2 * FLOPS_OF_A_STEP + 1e9
    assert spending.read().gpu_hours == pytest.approx(8.0, rel=1e-2)

    second = again(database, attempt)
    second.resume_from(0)
    second.record(step(1))
    paid = spending.read()
    assert paid.flops == 3 * FLOPS_OF_A_STEP + 1e9, "what was lost was paid"
    assert paid.gpu_hours == pytest.approx(8.0, rel=1e-2), "nobody knows the GPUs of one that only begins"
    assert SpendingReader(database, attempt.sweep_id).read().flops == paid.flops


def test_an_attempt_of_which_nothing_was_heard_costs_nothing_after_its_lease(
    database: Engine, attempt: AttemptStore
) -> None:
    attempt.describe(on_gpus(1.0))
    let_leases_run_out(database)
    took(database, attempt, hours=10)
    with begin_write(database) as connection:
        connection.execute(update(Attempt).values(lease_expires_at=database_now(-3600 * 9)))
    assert SpendingReader(database, attempt.sweep_id).read().gpu_hours == pytest.approx(1.0, rel=1e-3)
    PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda _: True)
    assert SpendingReader(database, attempt.sweep_id).read().gpu_hours == pytest.approx(1.0, rel=1e-3)


def test_the_pace_is_that_of_the_last_steps_of_what_runs(database: Engine, attempt: AttemptStore) -> None:
    progress = ProgressReader(database, attempt.sweep_id)
    attempt.record(step(1))
    assert progress.read().pace.steps_per_minute is None
    attempt.record(step(2), step(3))
    with begin_write(database) as connection:
        for number in (1, 2, 3):
            connection.execute(update(Step).where(Step.step == number).values(recorded_at=database_now(2.0 * number)))
    pace = progress.read().pace
    assert pace.steps_per_minute == pytest.approx(30, rel=1e-2)
    assert pace.samples_per_second == pytest.approx(32, rel=1e-2)
    assert pace.completion_tokens_per_second == pytest.approx(1024, rel=1e-2)
    attempt.end(AttemptState.SUCCEEDED)
    assert progress.read().pace.steps_per_minute is None


def test_a_plan_of_which_a_part_is_unknown_has_no_sum(database: Engine) -> None:
    plan = PlanStore(database)
    known = [planned(number, planned_flops=1e18, planned_gpu_hours=2.0) for number in (1, 2)]
    sweep = plan.register(SWEEP, known).sweep_id
    read = ProgressReader(database, sweep).read()
    assert (read.planned_flops, read.planned_gpu_hours) == (2e18, 4.0)
    plan.register(SWEEP, [*known, planned(3, planned_flops=1e18)])
    read = ProgressReader(database, sweep).read()
    assert (read.planned_flops, read.planned_gpu_hours) == (3e18, None)


def test_the_last_failures_are_told_newest_first(database: Engine) -> None:
    sweep = PlanStore(database).register(SWEEP, [planned(number) for number in range(7)])
    for trial in sweep.trial_ids:
        store = claim(database, trial_id=trial, sweep_id=sweep.sweep_id, process=HERE)
        store.end(AttemptState.FAILED, failure_class="nccl", message=f"of {trial}")
    failures = ProgressReader(database, sweep.sweep_id).read().failures
    assert [failure.message for failure in failures] == [f"of {trial}" for trial in reversed(sweep.trial_ids[-5:])]
    assert all(failure.seconds_ago is not None and failure.seconds_ago >= 0 for failure in failures)


def test_a_limit_says_what_was_spent_of_it() -> None:
    spent = Spending(flops=5e18, gpu_hours=10.0)
    assert reached(NO_LIMITS, spent) is None
    assert reached(Limits(flops=6e18, gpu_hours=11), spent) is None
    assert reached(Limits(flops=5e18), spent) == "limits.flops: 5e+18 of 5e+18 spent"
    assert reached(Limits(cost=25, price_per_gpu_hour=2.5), spent) == "limits.cost: 25 of 25 spent"
    both = reached(Limits(gpu_hours=9, cost=20, price_per_gpu_hour=2.5), spent)
    assert both == "limits.gpu_hours: 10 of 9 spent; limits.cost: 25 of 20 spent"


def test_at_a_limit_the_sweep_drains_and_the_next_driver_knows_it_at_once(
    database: Engine, attempt: AttemptStore
) -> None:
    limits = Limits(flops=2 * FLOPS_OF_A_STEP)
    plan = PlanStore(database)
    with driver_of(database, attempt.sweep_id, limits=limits, cluster=None) as oversight:
        attempt.record(step(1))
        assert (oversight.limit, plan.is_draining(attempt.sweep_id)) == (None, False)
        attempt.record(step(2))
        deadline = time.monotonic() + 60
        while not plan.is_draining(attempt.sweep_id):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert oversight.limit == "limits.flops: 2e+19 of 2e+19 spent"
    with driver_of(database, attempt.sweep_id, limits=limits, cluster=None) as next_one:
        assert next_one.limit == oversight.limit
    with driver_of(database, attempt.sweep_id, limits=NO_LIMITS, cluster=None) as unlimited:
        assert unlimited.limit is None


def test_a_driver_whose_place_was_taken_hears_of_it(sqlite_database: Engine) -> None:
    sweep_id = PlanStore(sqlite_database).register(SWEEP, []).sweep_id
    with driver_of(sqlite_database, sweep_id, limits=NO_LIMITS, cluster=None) as oversight:
        with sqlite_database.begin() as connection:
            connection.execute(text("UPDATE sweep SET driver_pid = driver_pid + 1"))
        deadline = time.monotonic() + 60
        while not oversight.is_replaced:
            assert time.monotonic() < deadline
            time.sleep(0.1)
