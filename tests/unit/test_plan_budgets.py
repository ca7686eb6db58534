"""Budgets, wall time, storage and cost of a whole sweep."""

from __future__ import annotations

import pytest

from db.errors import SpecError
from orchestrator.planning.hours import Interval
from orchestrator.planning.plan import SweepPlan
from orchestrator.planning.totals import STARTING_SECONDS
from orchestrator.screens.plan_totals import totals_of
from tests.unit.test_plan_gpus import planned, plans

SMALL = "model=[qwen2.5-0.5b]"


def known(interval: Interval | None) -> Interval:
    assert interval is not None
    return interval


def wall(plan: SweepPlan) -> float:
    """Without what starting takes."""
    return known(plan.totals.wall_hours).central - STARTING_SECONDS / 3600


def test_budgets_of_one_run_save_the_runs_that_end_earlier() -> None:
    plan = planned("single_gpu", SMALL)
    step = plans(plan)["qwen2.5-0.5b"].cost.step.flops.total
    assert plan.totals.sharing_saves_flops == pytest.approx(2 * (10 + 20 + 50) * step)  # two seeds
    assert plan.totals.separate_costs_flops == 0
    alone = planned("single_gpu", SMALL, "budgets.at=[13440]")
    assert alone.totals.sharing_saves_flops == 0
    assert "Shared" not in dict(totals_of(alone))
    assert alone.totals.flops.training == plan.totals.flops.training


def test_separate_runs_cost_what_shared_ones_save() -> None:
    separate = planned("single_gpu", SMALL, "optimizer.schedule=linear", "budgets.trajectories=separate")
    shared = planned("single_gpu", SMALL)
    assert (separate.totals.trials, shared.totals.trials) == (8, 2)
    assert [trial.plan.last.steps for trial in separate.trials[:4]] == [10, 20, 50, 105]
    assert separate.totals.separate_costs_flops == pytest.approx(shared.totals.sharing_saves_flops)
    assert separate.totals.flops.training == pytest.approx(
        shared.totals.flops.training + shared.totals.sharing_saves_flops
    )
    assert dict(totals_of(separate))["Separate"] == "a run for each budget costs 712 PFLOP more than one for all"


@pytest.mark.parametrize(
    ("unit", "last", "steps"),
    [("steps", 37, 37), ("samples", 37 * 128 - 1, 37), ("tokens", 37 * 1024 * 750, 37), ("flops", 4.44e16, 10)],
)
def test_a_budget_of_any_unit_is_reached_by_whole_steps(unit: str, last: float, steps: int) -> None:
    plan = planned("single_gpu", SMALL, f"budgets={{unit: {unit}, at: [{last!r}]}}")
    assert plans(plan)["qwen2.5-0.5b"].last.steps == steps


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ("{unit: samples, at: [1000]}", "1,000 samples are no whole number of steps: a trial ends with the step that "
         "reaches its last budget, here step 8 of 128 prompts, at 1,024"),
        ("{unit: steps, at: [2.5]}", "2.5 steps are no whole number of steps: a trial ends with the step that reaches "
         "its last budget, here step 3"),
        ("{unit: samples, at: [1024]}", None),
        ("{unit: tokens, at: [1.0e6]}", None),
    ],
)  # fmt: skip
def test_a_budget_that_is_no_whole_number_of_steps_is_said_to_be_reached_by_the_next(
    budgets: str, said: str | None
) -> None:
    assert dict(totals_of(planned("single_gpu", SMALL, f"budgets={budgets}"))).get("Budget") == said


def test_a_budget_of_gpu_hours_is_what_it_says_and_its_evaluations_come_on_top() -> None:
    plan = plans(planned("single_gpu", SMALL, "budgets={unit: gpu_hours, at: [1, 4]}"))["qwen2.5-0.5b"]
    assert plan.on_gpus is not None
    evaluations = plan.on_gpus.hours(plan.flops.evaluation)
    step = plan.on_gpus.hours(plan.cost.step.flops.total).central
    hours = known(plan.gpu_hours)
    for end in ("low", "central", "high"):
        training = getattr(hours, end) - getattr(evaluations, end)
        assert 4 <= training < 4 + step + 1e-9
    assert plan.cost.milestones[0].steps * step >= 1


def test_trials_wait_for_one_another_under_a_limit_and_run_at_once_without() -> None:
    durations = [known(plan.wall_hours).central for plan in plans(planned("single_gpu")).values() for _ in range(2)]
    one_at_a_time, two, all_at_once = (
        planned("single_gpu", f"limits.concurrent_trials={number}") for number in (1, 2, 4)
    )
    assert wall(one_at_a_time) == pytest.approx(sum(durations))
    assert wall(two) == pytest.approx(durations[0] + durations[2])
    assert wall(all_at_once) == pytest.approx(max(durations))
    assert [plan.totals.gpus_at_once for plan in (one_at_a_time, two, all_at_once)] == [1, 2, 4]


def test_few_gpus_limit_how_many_trials_run_at_a_time() -> None:
    ladder = "model=[qwen2.5-0.5b, qwen2.5-7b]"
    small, large = (known(plan.wall_hours).central for plan in plans(planned("compute_scaling", ladder)).values())
    assert wall(planned("compute_scaling", ladder)) == pytest.approx(max(small, large))
    # Four GPUs: the three small ones together, then the large ones, each of which needs all four.
    assert wall(planned("compute_scaling", ladder, gpus=4)) == pytest.approx(small + 3 * large)
    assert wall(planned("compute_scaling", ladder, gpus=8)) == pytest.approx(max(small, large) + large)
    assert planned("compute_scaling", ladder, gpus=4).totals.gpus_at_once == 4


def test_trials_that_share_a_gpu_run_beside_one_another_on_it() -> None:
    shared = planned("single_gpu", SMALL, "resources.trials_per_gpu=2", "limits.concurrent_trials=2", gpus=1)
    alone = planned("single_gpu", SMALL, gpus=1)
    assert wall(shared) == pytest.approx(wall(alone))
    assert shared.totals.gpus_at_once == 1


def test_cost_is_hours_times_their_price() -> None:
    plan = planned("single_gpu", "limits.price_per_gpu_hour=2.5")
    hours, cost = known(plan.totals.gpu_hours), known(plan.totals.cost)
    assert (cost.low, cost.central, cost.high) == (2.5 * hours.low, 2.5 * hours.central, 2.5 * hours.high)
    assert dict(totals_of(plan))["Cost"] == "41.5 (20.7 to 83)"
    assert planned("single_gpu").totals.cost is None
    assert planned("quickstart", "limits.price_per_gpu_hour=2.5").totals.cost is None


def test_storage_is_of_milestones_and_of_the_newest_checkpoints() -> None:
    plan = planned("single_gpu", SMALL)
    one = plans(plan)["qwen2.5-0.5b"].storage
    assert one.bytes_each == pytest.approx(12 * 494_032_768, rel=0.01)
    # At steps 10, 20, 50 and 105, and the newest two, of which the last is a milestone: step 100.
    assert (one.kept, one.peak) == (5, 6)
    assert plan.totals.kept_bytes == 2 * 5 * one.bytes_each
    assert plan.totals.peak_bytes == (2 * 5 + 1) * one.bytes_each  # one trial runs at a time
    both = planned("single_gpu", SMALL, "limits.concurrent_trials=2")
    assert both.totals.peak_bytes == (2 * 5 + 2) * one.bytes_each


def test_an_interval_of_the_whole_sweep_is_the_sum_of_its_trials() -> None:
    plan = planned("compute_scaling")
    total = known(plan.totals.gpu_hours)
    for end in ("low", "central", "high"):
        of_trials = sum(getattr(known(trial.plan.gpu_hours), end) for trial in plan.trials)
        assert getattr(total, end) == pytest.approx(of_trials)
    assert total.low == pytest.approx(total.central / 2)
    assert total.high == pytest.approx(total.central * 2)


@pytest.mark.parametrize("unit", ["steps", "tokens", "flops"])
def test_a_budget_that_nothing_could_reach_is_refused_before_it_overflows(unit: str) -> None:
    with pytest.raises(SpecError, match=rf"a budget of 1e\+300 {unit} is more than 1,000,000,000 steps"):
        planned("single_gpu", SMALL, f"budgets={{unit: {unit}, at: [1.0e300]}}")


def test_an_absurd_price_is_still_one_short_line() -> None:
    plan = planned("single_gpu", SMALL, "limits={price_per_gpu_hour: 1.0e300}")
    assert len(dict(totals_of(plan))["Cost"]) < 60


def test_combinations_that_rules_made_equal_are_counted_apart() -> None:
    rule = "axes.when=[{if: {model: qwen2.5-1.5b}, set: {seed: 0}}]"
    assert dict(totals_of(planned("single_gpu", rule)))["Trials"] == (
        "3, all new; rules of `when` have left out 1 combination"
    )
