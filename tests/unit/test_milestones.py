"""Budgets as milestones on one trajectory, and when policies are scored."""

from __future__ import annotations

import pytest

from workers.flops import BlockFlops, DecoderShape
from workers.milestones import Progress, is_complete, is_due, is_log_spaced, most_steps, reached
from workers.spec import Algorithm, Budget, Evaluation

BLOCK = BlockFlops(generation=10.0, old_logprob=0.0, reference=0.0, train=30.0)
SHAPE = DecoderShape(64, 2, 4, 2, 16, 192, 57)
ALGORITHM = Algorithm(group_size=8, prompts_per_step=64)


def after(steps: int) -> Progress:
    progress = Progress()
    for _ in range(steps):
        progress = progress.after(samples=64, tokens=6656, flops=BLOCK, seconds=0.5)
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


@pytest.mark.parametrize(("unit", "at"), [("steps", 7), ("samples", 440), ("tokens", 40_000), ("flops", 2e9)])
def test_the_horizon_is_never_too_short(unit: str, at: float) -> None:
    from workers.flops import block_flops

    budget = Budget.model_validate({"unit": unit, "at": [at]})
    cheapest = block_flops(SHAPE, [(9, 1)] * 512, has_old_logprobs=False, has_reference=False)
    progress = Progress()
    for _ in range(most_steps(budget, ALGORITHM, SHAPE, prompt_tokens=[9, 12])):
        progress = progress.after(samples=64, tokens=512 * 10, flops=cheapest, seconds=0.0)
    assert is_complete(budget, progress)
