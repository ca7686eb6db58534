"""What a plan warns of: each caution where it holds, and none where it does not."""

from __future__ import annotations

import pytest

from tests.unit.test_plan_gpus import SHIPPED, planned

SMALL = "model=[qwen2.5-0.5b]"
FEW_PROMPTS = "data.total_prompts=5120"


@pytest.mark.parametrize("name", sorted({file.stem for file in SHIPPED} - {"cross_algorithm"}))
def test_most_shipped_sweeps_need_no_warning(name: str) -> None:
    assert planned(name).warnings == ()


@pytest.mark.parametrize(
    ("overrides", "warning"),
    [
        (
            (FEW_PROMPTS, "budgets={unit: flops, at: [4.0e17]}"),
            "the budget of 4e+17 flops is about 11,520 prompts, and data.total_prompts is 5,120: prompts would be used "
            "more than tau = 1 times",
        ),
        (
            ("budgets={unit: flops, at: [1.0e14, 2.0e14, 4.0e17]}",),
            "several budgets are reached in the same step, which is 4.44946e+15 flops",
        ),
        (
            ("data.train=some/problems",),
            "how many problems of some/problems are held out is not known here; evaluations are counted with 500",
        ),
        (
            ("algorithm=dapo",),
            "groups of equal rewards are drawn again (dynamic_sampling); what that costs is not in the plan",
        ),
        (
            ("expected.completion_tokens=10000", "expected.prompt_tokens=3000"),
            "expected.prompt_tokens is 3,000, and at most 2,048 are allowed; expected.completion_tokens is 10,000, and "
            "at most 4,096 are allowed",
        ),
        (
            ("limits.flops=1.0e17",),
            "limits.flops is 1e+17, and 9.92e+17 are expected: trials will stop before their budgets",
        ),
        (
            ("limits.gpu_hours=2",),
            "limits.gpu_hours is 2, and 5.57 are expected: trials will stop before their budgets",
        ),
        (
            ("limits.cost=10000", "limits.price_per_gpu_hour=12345"),
            "limits.cost is 10,000, and 68,800 are expected: trials will stop before their budgets",
        ),
    ],
    ids=["data", "one-step", "held-out", "dapo", "lengths", "flops", "gpu-hours", "cost"],
)  # fmt: skip
def test_a_sweep_that_asks_for_trouble_is_told(overrides: tuple[str, ...], warning: str) -> None:
    assert planned("single_gpu", SMALL, *overrides).warnings == (warning,)


def test_a_warning_of_some_kinds_names_them_and_one_of_all_does_not() -> None:
    (some,) = planned("cross_algorithm").warnings
    assert some.startswith("algorithm dapo, qwen2.5-0.5b and 4 more: groups of equal rewards")


def test_too_little_memory_on_a_cpu_is_said_with_what_takes_it() -> None:
    (warning,) = planned("single_gpu", SMALL, "resources={gpus: 0, memory_gb: 64}").warnings
    assert warning.endswith(" GB of memory, the most for activations, and resources.memory_gb is 64")
    assert planned("quickstart").warnings == ()


def test_the_time_of_a_tiny_model_on_a_gpu_is_not_taken_for_known() -> None:
    (warning,) = planned("quickstart", "model=[qwen2-25k]", "resources.gpus=1").warnings
    assert warning.startswith("5% of a GPU's peak is assumed, which is for models of 0.5B parameters and more; one of ")
    assert planned("quickstart", "resources.gpus=1", "expected.utilization=0.001").warnings == ()


@pytest.mark.parametrize(
    ("name", "why"), [("quickstart", "the trials run on CPUs"), ("single_gpu", "the file names their GPU")]
)
def test_a_gpu_that_no_trial_will_use_is_said(name: str, why: str) -> None:
    assert planned(name, gpu="A100-80GB").warnings == (f"--gpu A100-80GB is not used: {why}",)
    assert planned("compute_scaling", gpu="A100-80GB").warnings == ()
