"""What the analysts' views say of a study whose answers can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Engine, Table, select, update

from db.connection.engines import begin_write
from db.reader import Reader
from db.records import EvaluationRecord, ImportedFile, ImportedRun, ModelRecord, StepRecord
from db.states import AttemptState
from db.store import AttemptStore, PlanStore, claim
from db.store.imports import ImportStore
from db.tables import Attempt
from db.views import (
    attempt_failure,
    data_reuse,
    final_result,
    fit_summary,
    flop_ledger,
    group_size_curve,
    learning_curve,
    prompt_exposure,
    step_phase,
    sweep_coverage,
    trial_status,
)
from tests.contract.small_study import fill, save_fit
from tests.contract.steering import again
from tests.records import HERE, SWEEP, planned, step

Row = dict[str, Any]


def rows(database: Engine, view: Table, *which: ColumnElement[bool], by: str) -> list[Row]:
    """Rows of a view in the order of some columns."""
    order = [view.c[name] for name in by.split()]
    with database.connect() as connection:
        return [dict(row) for row in connection.execute(select(view).where(*which).order_by(*order)).mappings()]


def check(row: Row, **expected: object) -> None:
    """The row has these values, floats up to rounding."""
    rounded = {name: pytest.approx(value) if isinstance(value, float) else value for name, value in expected.items()}
    assert {name: row[name] for name in expected} == rounded


def test_final_results_are_the_last_scores_with_the_first_and_the_best(database: Engine) -> None:
    trials = fill(database)
    found = {(row["trial_id"], row["benchmark"]): row for row in rows(database, final_result, by="trial_id")}
    heldout = [trials[name] for name in ("single", "reused", "alone", "elsewhere", "larger", "third")]
    assert set(found) == {(number, "heldout") for number in heldout} | {(trials["single"], "gsm8k")}
    check(
        found[trials["reused"], "heldout"],
        model="m", family="f", variant="base", num_params=10, total_params=12, nominal_params=11.0, data="d",
        algorithm="grpo", seed=1, group_size=8, tau=5.0, learning_rate=1e-6, origin="native", trial_state="succeeded",
        protocol="exact", problems=600, samples_per_problem=None, step=2, samples=128, tokens=13312, flops=2e19,
        paper_flops=None, train_seconds=1.0, gpu_hours=0.5 / 3600,
        score=0.45, test_loss=0.55, standard_error=0.01, first_test_loss=0.8,
        best_test_loss=0.5, gain=0.25,
    )  # fmt: skip
    check(
        found[trials["single"], "gsm8k"],
        problems=4, samples_per_problem=2, step=2, score=0.25, first_test_loss=0.75, best_test_loss=0.75, gain=0.0,
    )  # fmt: skip
    # Its step 2 was taken again: the score of 0.1 counts no more, not even as the worst.
    check(found[trials["alone"], "heldout"], step=2, score=0.4, first_test_loss=0.8, best_test_loss=0.6, gain=0.2)


def test_coverage_counts_a_sweeps_trials_by_state(database: Engine) -> None:
    fill(database)
    PlanStore(database).register(replace(SWEEP, name="empty"), [])
    full, empty = rows(database, sweep_coverage, by="sweep_id")
    check(
        full,
        sweep="s", trials=7, planned=1, queued=0, running=1, paused=0, recovering=1, succeeded=4, failed=0,
        cancelled=0, mean_share=5.5 / 7, attempts=7,
    )  # fmt: skip
    assert full["first_planned_at"] <= full["last_finished_at"]
    check(empty, sweep="empty", trials=0, planned=0, mean_share=None, attempts=0, first_planned_at=None)


def test_failures_say_what_they_cost(database: Engine) -> None:
    trials = fill(database)
    out_of_memory, lost = rows(database, attempt_failure, by="trial_id")
    check(
        out_of_memory,
        sweep="s", trial_id=trials["alone"], attempt=1, model="m", num_params=10, algorithm="grpo", seed=3,
        group_size=8, tau=5.0, attempt_state="failed", failure_class="gpu_memory", message="out of memory",
        host="node-1", resumed_from_step=0, live_through_step=1, last_step=2, lost_steps=1, lost_flops=1e19,
        lost_seconds=0.5, num_gpus=0.0, trial_state="running",
    )  # fmt: skip
    check(
        lost,
        trial_id=trials["larger"], attempt_state="lost", failure_class="lost", live_through_step=None, last_step=1,
        lost_steps=0, lost_flops=0.0, lost_seconds=0.0, trial_state="recovering",
    )  # fmt: skip


def test_reuse_is_held_against_the_twin_that_differs_in_nothing_else(database: Engine) -> None:
    trials = fill(database)
    found = rows(database, data_reuse, by="trial_id samples benchmark")
    # Every run at tau = 1 is its own twin; `alone` has none, as there is no other run of its seed.
    pairs = {(row["trial_id"], row["baseline_trial_id"]) for row in found}
    own = {(trials[name], trials[name]) for name in ("single", "elsewhere", "larger", "third")}
    assert pairs == own | {(trials["reused"], trials["single"])}
    reused = [row for row in found if row["trial_id"] == trials["reused"]]
    assert [(row["samples"], row["step"], row["benchmark"]) for row in reused] == [
        (0, 0, "heldout"), (64, 1, "heldout"), (128, 2, "heldout"),
    ]  # fmt: skip
    for row, (loss, single) in zip(reused, [(0.8, 0.8), (0.5, 0.6), (0.55, 0.5)], strict=True):
        check(
            row, test_loss=loss, baseline_test_loss=single, loss_difference=loss - single, loss_ratio=loss / single,
            tau=5.0, unique_prompts=99, uses_per_prompt=row["samples"] / 99, seed=1, data="d",
        )  # fmt: skip


def test_exposure_goes_round_the_prompts_in_their_order(database: Engine) -> None:
    trials = fill(database)
    found = rows(database, prompt_exposure, prompt_exposure.c.trial_id == trials["reused"], by="position")
    assert [row["times_drawn"] for row in found] == [2] * 28 + [1] * 72  # 128 draws
    check(found[60], model="m", tau=5.0, position=60, sha256=f"{60:064x}", data_source="logic__zebra_puzzle")


def test_phases_have_their_seconds_and_both_counts_of_flops(database: Engine) -> None:
    trials = fill(database)
    single = (step_phase.c.trial_id == trials["single"], step_phase.c.step == 2)
    found = {row["phase"]: row for row in rows(database, step_phase, *single, step_phase.c.seconds > 0, by="phase")}
    assert list(found) == ["evaluation", "generation", "reward", "update"]
    check(found["generation"], seconds=0.2, gpu_seconds=0.0, flops=1e18, executed_flops=2e18, utilisation=None)
    check(found["update"], seconds=0.2, flops=9e18, executed_flops=1.2e19)
    check(found["reward"], seconds=0.1, flops=0.0, executed_flops=0.0)
    check(found["evaluation"], flops=1e9, executed_flops=None)


def test_utilisation_is_of_all_the_gpus_that_were_held(database: Engine) -> None:
    trials = fill(database)
    with begin_write(database) as connection:
        connection.execute(update(Attempt).values(num_gpus=8.0, gpu_peak_flops=1e18))
    which = (step_phase.c.trial_id == trials["single"], step_phase.c.step == 1, step_phase.c.phase == "generation")
    (row,) = rows(database, step_phase, *which, by="step")
    check(row, gpu_seconds=1.6, peak_flops=1.6e18, utilisation=1 / 1.6)


def test_group_sizes_are_averaged_over_seeds(database: Engine) -> None:
    fill(database)
    tau, data = group_size_curve.c.tau == 1, group_size_curve.c.data == "d"
    found = rows(database, group_size_curve, tau, data, group_size_curve.c.benchmark == "heldout", by="group_size step")
    assert [(row["group_size"], row["step"], row["runs"]) for row in found] == [
        (8, 0, 2), (8, 1, 2), (8, 2, 2), (16, 0, 1), (16, 1, 1),
    ]  # fmt: skip
    check(
        found[2],
        mean_samples=128.0, mean_tokens=13312.0, mean_flops=2e19, mean_test_loss=0.45, min_test_loss=0.4,
        max_test_loss=0.5, model="m", num_params=10, algorithm="grpo", learning_rate=1e-6, protocol="exact",
    )  # fmt: skip


def test_a_fit_is_summed_up_by_its_main_parameters_and_what_speaks_against_it(database: Engine) -> None:
    fill(database)
    fit_id = save_fit(database, sweep_id=1)
    (row,) = rows(database, fit_summary, by="fit_id")
    check(
        row,
        fit_id=fit_id, sweep_id=1, sweep="s", scope="inter-model", x="samples", k_form="free", status="identified",
        k_max=2.0, k_max_low=1.5, k_max_high=2.5, n_0=1e9, n_0_low=None, num_points=4, num_effective=3.5, aicc=-5.0,
        worst_forecast_error=0.3, warnings=2,
    )  # fmt: skip


@pytest.mark.parametrize(("unit", "spent"), [("steps", 3.0), ("samples", 192.0), ("tokens", 19968.0), ("flops", 3e19)])
def test_a_budget_is_spent_in_its_own_unit(database: Engine, unit: str, spent: float) -> None:
    sweep = PlanStore(database).register(SWEEP, [planned(1, budget_unit=unit, budget_last=2 * spent)])
    store = claim(database, trial_id=sweep.trial_ids[0], sweep_id=sweep.sweep_id, process=HERE)
    (row,) = rows(database, trial_status, by="trial_id")
    check(row, spent=0.0, step=0, train_seconds=None, first_loss=None)
    store.record(step(1), step(2), step(3))
    (row,) = rows(database, trial_status, by="trial_id")
    check(row, spent=spent, budget_last=2 * spent, budget_unit=unit, step=3, train_seconds=1.5, phase=None)
    assert Reader(database).trials(sweep.sweep_id)[0].share == 0.5


IMPORTED = ImportedFile("/runs/a.csv", "csv", "f" * 64, 10, {})


def imported(database: Engine, model: ModelRecord, steps: list[StepRecord], evaluations: list[EvaluationRecord]) -> int:
    """Import a run as a sweep of its own; returns its number."""
    run = ImportedRun("r", model, *[None] * 9, tuple(steps), tuple(evaluations))
    outcome = ImportStore(database).save(IMPORTED, sweep="curves", runs=[run])
    assert outcome.sweep_id is not None
    return outcome.sweep_id


def test_what_an_imported_run_never_counted_is_missing_and_never_zero(database: Engine) -> None:
    bare = [StepRecord(1), StepRecord(2)]
    scores = [EvaluationRecord(at, "gsm8k", "greedy", at / 10) for at in range(3)]
    sweep_id = imported(database, ModelRecord("m", 7_615_616_512, nominal_params=7e9), bare, scores)
    for row in rows(database, learning_curve, by="step"):
        check(row, samples=None, tokens=None, flops=None, paper_flops=None, train_seconds=None)
    (ledger,) = rows(database, flop_ledger, by="attempt")
    check(
        ledger, steps=2, lost_steps=0, generation_flops=None, train_flops=None, paid_flops=None, useful_flops=None,
        lost_flops=None, paid_seconds=None, lost_seconds=None,
    )  # fmt: skip
    (status,) = rows(database, trial_status, by="trial_id")
    check(status, spent=None, budget_last=None, budget_unit=None)
    (coverage,) = rows(database, sweep_coverage, by="sweep_id")
    check(coverage, mean_share=None, trials=1, succeeded=1)
    assert Reader(database).trials(sweep_id)[0].share is None


def test_what_an_imported_run_counted_begins_at_zero(database: Engine) -> None:
    counted = [
        step(number, cumulative_flops=None, generation_flops=None, step_seconds=None) for number in (1, 2)
    ]  # fmt: skip
    scores = [EvaluationRecord(at, "gsm8k", "greedy", at / 10) for at in range(3)]
    imported(database, ModelRecord("m", 7_615_616_512, nominal_params=7e9), counted, scores)
    first = rows(database, learning_curve, by="step")[0]
    check(first, samples=0, tokens=0, flops=None, paper_flops=0.0, train_seconds=0.0)
    (ledger,) = rows(database, flop_ledger, by="attempt")
    check(ledger, generation_flops=None, train_flops=1.8e19, paid_flops=None, lost_flops=None, lost_seconds=None)


def test_an_imported_run_whose_cost_is_known_has_lost_nothing(database: Engine) -> None:
    imported(database, ModelRecord("m", None), [step(1), step(2)], [])
    (ledger,) = rows(database, flop_ledger, by="attempt")
    check(ledger, paid_flops=2e19, useful_flops=2e19, lost_flops=0.0, paid_seconds=1.0, lost_seconds=0.0)


def test_a_step_that_nobody_counted_makes_the_ledgers_sum_unknown(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(step(1), step(2, reference_flops=None), step(3))
    attempt.end(AttemptState.INTERRUPTED)
    living = again(database, attempt)
    living.resume_from(1)
    first, second = rows(database, flop_ledger, by="attempt")
    check(
        first,
        steps=3, lost_steps=2, paid_flops=None, useful_flops=1e19, lost_flops=None, reference_flops=None,
        train_flops=2.7e19, paid_seconds=1.5, lost_seconds=1.0, evaluation_flops=None,
    )  # fmt: skip
    check(second, steps=0, paid_flops=0.0, useful_flops=0.0, lost_flops=0.0, train_flops=0.0, paid_seconds=0.0)
