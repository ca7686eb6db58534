"""Budgets as milestones on one trajectory, and when policies are scored."""

from __future__ import annotations

import pytest

from workers.flops import BlockFlops
from workers.milestones import Progress, is_complete, is_due, is_log_spaced, last_step, reached
from workers.spec import Algorithm, Budget, Evaluation

BLOCK = BlockFlops(generation=10.0, old_logprob=0.0, reference=0.0, train=30.0)
ALGORITHM = Algorithm(group_size=8, prompts_per_step=64)


def after(steps: int) -> Progress:
    progress = Progress()
    for _ in range(steps):
        progress = progress.after(samples=64, tokens=6656, flops=BLOCK, seconds=0.5, num_gpus=0)
    return progress


def test_a_step_adds_to_every_count() -> None:
    assert after(3) == Progress(step=3, samples=192, tokens=19968, flops=120.0, seconds=1.5)


@pytest.mark.parametrize(
    ("unit", "at", "last"), [("steps", 3, 3), ("samples", 192, 3), ("tokens", 13313, 3), ("flops", 81.0, 3)]
)
def test_a_trial_is_complete_at_the_first_step_that_reaches_its_budget(unit: str, at: float, last: int) -> None:
    budget = Budget.model_validate({"unit": unit, "at": [at]})
    assert not is_complete(budget, after(last - 1))
    assert is_complete(budget, after(last))


def test_every_milestone_is_reached_once() -> None:
    budget = Budget(unit="samples", at=(64.0, 100.0, 128.0, 500.0))
    found = [reached(budget, after(step - 1), after(step)) for step in (1, 2, 3)]
    assert found == [[64.0], [100.0, 128.0], []]


def test_milestones_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascend"):
        Budget(unit="steps", at=(5.0, 3.0))


def test_log_spaced_steps_are_dense_at_first_and_ten_to_a_decade() -> None:
    steps = [step for step in range(1, 161) if is_log_spaced(step, 10)]
    assert steps == [1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 50, 63, 79, 100, 126, 158]


def test_a_policy_is_always_scored_before_the_first_and_after_the_last_step() -> None:
    evaluation = Evaluation(at="budgets")
    assert is_due(evaluation, step=0, at_milestone=False, is_last=False)
    assert is_due(evaluation, step=7, at_milestone=False, is_last=True)
    assert is_due(evaluation, step=7, at_milestone=True, is_last=False)
    assert not is_due(evaluation, step=7, at_milestone=False, is_last=False)


def test_the_last_step_is_known_where_a_step_takes_a_known_part_of_the_budget() -> None:
    units = {"steps": 7.0, "samples": 440.0, "tokens": 40_000.0, "flops": 2e9, "gpu_hours": 1.0}
    last = {unit: last_step(Budget.model_validate({"unit": unit, "at": [at]}), ALGORITHM) for unit, at in units.items()}
    assert last == {"steps": 7, "samples": 7, "tokens": None, "flops": None, "gpu_hours": None}
    anew = ALGORITHM.model_copy(update={"dynamic_sampling": True})
    assert last_step(Budget(unit="samples", at=(440.0,)), anew) is None, "a step may take more prompts than one block"


def test_gpu_hours_are_those_of_all_gpus() -> None:
    progress = Progress().after(samples=1, tokens=1, flops=BlockFlops(1, 0, 0, 0), seconds=900.0, num_gpus=4)
    assert is_complete(Budget(unit="gpu_hours", at=(1.0,)), progress)
