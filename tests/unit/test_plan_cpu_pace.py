"""How long a trial on a CPU will take: what one of its kind took, from its start to its end, and else nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from db.connection.engines import begin_write
from db.states import AttemptState
from db.store import PlanStore
from db.tables import Attempt
from orchestrator.registration import register
from orchestrator.screens.plan_totals import totals_of
from tests.records import evaluation
from tests.unit.test_plan_known import ENDED, LOST, PEAK, planned, run, sweep


def cpu_hours(database: Engine) -> list[float | None]:
    intervals = [kind.plan.wall_hours for kind in planned(database, sweep("quickstart")).kinds]
    return [None if hours is None else hours.central for hours in intervals]


def run_on_cpu(database: Engine, end: AttemptState, *, start: int = 1) -> None:
    """The first trial of quickstart in an attempt that waited a minute; 160 steps of 2 s, three scorings of 5 s."""
    registered = register(database, sweep("quickstart"))
    store = run(
        database,
        registered,
        0,
        range(start, 161),
        share=1e16 / PEAK / 2,
        device="cpu",
        num_gpus=0,
        prompts=64,
        end=None,
    )
    store.record(*(evaluation(at, 0.5, seconds=5.0) for at in range(start, start + 3)))
    with begin_write(database) as connection:
        took = timedelta(seconds=160 * 2 + 3 * 5 + 60)
        connection.execute(update(Attempt).values(started_at=datetime.now(UTC) - took))
    if end is LOST:
        PlanStore(database).declare_lost(registered.sweep_id, is_dead=lambda _: True)
    else:
        store.end(end)


def test_the_pace_on_a_cpu_is_that_of_a_trial_of_the_kind(database: Engine) -> None:
    assert cpu_hours(database) == [None] * 4
    run_on_cpu(database, AttemptState.SUCCEEDED)
    scorings = planned(database, sweep("quickstart")).kinds[0].plan.scorings[0].times
    first, *others = cpu_hours(database)
    assert first == pytest.approx((160 * 2 + scorings * 5 + 60) / 3600, abs=2 / 3600)
    assert others == [None] * 3


@pytest.mark.parametrize(("end", "start"), [(LOST, 1), (ENDED, 100)], ids=["lost", "continued"])
def test_an_attempt_whose_time_is_not_that_of_a_whole_trial_sets_no_pace(
    database: Engine, end: AttemptState, start: int
) -> None:
    run_on_cpu(database, end, start=start)
    assert cpu_hours(database) == [None] * 4


def test_the_time_of_a_sweep_is_known_when_that_of_all_its_kinds_is(database: Engine) -> None:
    run_on_cpu(database, AttemptState.SUCCEEDED)
    all_kinds = dict(totals_of(planned(database, sweep("quickstart"))))
    assert all_kinds["Wall time"] == "not known: 6 of the trials are of kinds of which none has ended on a CPU yet"
    one_kind = planned(database, sweep("quickstart", "model=[qwen2-25k]", "seed=[11, 12, 13]"))
    assert one_kind.totals.wall_hours is not None
    (hours,) = [kind.plan.wall_hours for kind in one_kind.kinds]
    assert hours is not None
    assert one_kind.totals.wall_hours.central == pytest.approx(hours.central)  # two trials are left, on two CPUs
    assert dict(totals_of(one_kind))["Wall time"].endswith(" on 2 CPUs")
    assert hours.high == pytest.approx(1.25 * hours.central)
