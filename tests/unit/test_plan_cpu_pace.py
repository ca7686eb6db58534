"""How long a trial on a CPU will take: what one of its kind took, from its start to its end, and else nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, update

from db.connection.engines import begin_write
from db.states import AttemptState
from db.store import PlanStore
from db.tables import Attempt
from orchestrator.planning.totals import STARTING_SECONDS
from orchestrator.registration import register
from orchestrator.screens.plan_totals import totals_of
from tests.records import evaluation
from tests.unit.test_plan_known import ENDED, LOST, PEAK, planned, run, sweep


def cpu_hours(database: Engine) -> list[float | None]:
    intervals = [kind.plan.wall_hours for kind in planned(database, sweep("quickstart")).kinds]
    return [None if hours is None else hours.central for hours in intervals]


def run_on_cpu(
    database: Engine,
    end: AttemptState,
    *overrides: str,
    steps: range = range(1, 161),
    execution: dict[str, Any] | None = None,
) -> None:
    """The first trial of quickstart in an attempt that waited a minute; steps of 2 s, three scorings of 5 s."""
    registered = register(database, sweep("quickstart", *overrides))
    store = run(
        database,
        registered,
        0,
        steps,
        share=1e16 / PEAK / 2,
        device="cpu",
        num_gpus=0,
        prompts=64,
        end=None,
        execution=execution,
    )
    store.record(*(evaluation(at, 0.5, seconds=5.0) for at in steps[:3]))
    with begin_write(database) as connection:
        took = timedelta(seconds=len(steps) * 2 + 3 * 5 + 60)
        ours = (Attempt.trial_id == registered.trial_ids[0]) & (Attempt.number == store.number)
        connection.execute(update(Attempt).where(ours).values(started_at=datetime.now(UTC) - took))
    if end is LOST:
        PlanStore(database).declare_lost(registered.sweep_id, is_dead=lambda _: True)
    else:
        store.end(end)


def whole_trial(database: Engine) -> float:
    """Hours of a trial at the pace of `run_on_cpu`."""
    scorings = planned(database, sweep("quickstart")).kinds[0].plan.scorings[0].times
    return (160 * 2 + scorings * 5 + 60) / 3600


def test_the_pace_on_a_cpu_is_that_of_a_trial_of_the_kind(database: Engine) -> None:
    assert cpu_hours(database) == [None] * 4
    run_on_cpu(database, AttemptState.SUCCEEDED)
    first, *others = cpu_hours(database)
    assert first == pytest.approx(whole_trial(database), abs=2 / 3600)
    assert others == [None] * 3


@pytest.mark.parametrize(
    "override",
    ["optimizer.learning_rate=1e-6", "optimizer.adam_beta2=0.9", "data.seed=7", "loss.clip_high=0.3", "seed=[5]"],
)
def test_what_does_not_change_the_time_is_of_the_same_pace(sqlite_database: Engine, override: str) -> None:
    run_on_cpu(sqlite_database, AttemptState.SUCCEEDED, override)
    assert cpu_hours(sqlite_database)[0] == pytest.approx(whole_trial(sqlite_database), abs=2 / 3600)


@pytest.mark.parametrize(
    "override",
    ["group_size=4", "prompts_per_step=32", "generation.max_completion_tokens=5", "loss.kl_coefficient=0.1"],
)
def test_what_changes_the_time_is_of_another_pace(sqlite_database: Engine, override: str) -> None:
    run_on_cpu(sqlite_database, AttemptState.SUCCEEDED, override)
    assert cpu_hours(sqlite_database)[0] is None


@pytest.mark.parametrize("execution", [{"micro_batch": 8}, {"gradient_checkpointing": True}, {"cpus": 2}])
def test_what_was_run_in_another_way_is_of_another_pace(sqlite_database: Engine, execution: dict[str, Any]) -> None:
    run_on_cpu(sqlite_database, AttemptState.SUCCEEDED, execution=execution)
    assert cpu_hours(sqlite_database)[0] is None


def test_fewer_problems_are_scored_faster(sqlite_database: Engine) -> None:
    run_on_cpu(sqlite_database, AttemptState.SUCCEEDED)
    (half, *_) = planned(sqlite_database, sweep("quickstart", "data.heldout_problems=300")).kinds
    assert half.plan.wall_hours is not None
    saved = half.plan.scorings[0].times * 2.5 / 3600
    assert half.plan.wall_hours.central == pytest.approx(whole_trial(sqlite_database) - saved, abs=2 / 3600)


def test_a_trial_that_was_continued_sets_the_pace_of_one_that_goes_through(database: Engine) -> None:
    run_on_cpu(database, ENDED, steps=range(1, 101))
    run_on_cpu(database, AttemptState.SUCCEEDED, steps=range(101, 161))
    assert cpu_hours(database)[0] == pytest.approx(whole_trial(database), abs=2 / 3600)


def test_the_rest_of_an_attempt_that_lost_steps_is_not_taken_for_what_an_attempt_takes(database: Engine) -> None:
    run_on_cpu(database, ENDED, steps=range(1, 101))
    run_on_cpu(database, AttemptState.SUCCEEDED, steps=range(41, 161))
    assert cpu_hours(database)[0] == pytest.approx(whole_trial(database), abs=2 / 3600)


def test_an_attempt_whose_end_is_not_known_alone_sets_no_pace(database: Engine) -> None:
    run_on_cpu(database, LOST)
    assert cpu_hours(database) == [None] * 4


def test_the_time_of_a_sweep_is_known_when_that_of_all_its_kinds_is(database: Engine) -> None:
    run_on_cpu(database, AttemptState.SUCCEEDED)
    all_kinds = dict(totals_of(planned(database, sweep("quickstart"))))
    assert all_kinds["Wall time"] == "not known: 6 of the trials are of kinds of which none has ended on a CPU yet"
    one_kind = planned(database, sweep("quickstart", "model=[qwen2-25k]", "seed=[11, 12, 13]"))
    assert one_kind.totals.wall_hours is not None
    (hours,) = [kind.plan.wall_hours for kind in one_kind.kinds]
    assert hours is not None
    # Two trials are left, on two CPUs.
    assert one_kind.totals.wall_hours.central == pytest.approx(hours.central + STARTING_SECONDS / 3600)
    assert dict(totals_of(one_kind))["Wall time"].endswith(" on 2 CPUs")
    assert hours.high == pytest.approx(1.25 * hours.central)
