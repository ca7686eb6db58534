"""What a plan warns of: each caution where it holds, and none where it does not."""

from __future__ import annotations

import pytest

from db.errors import SpecError
from orchestrator.planning.plan import SweepPlan
from orchestrator.runnable import check_runnable, reasons_against, shortened
from orchestrator.sweepfile.loading import load_sweep
from tests.unit.test_plan_gpus import SHIPPED, SWEEPS, planned

SMALL = "model=[qwen2.5-0.5b]"
FEW_PROMPTS = "data.total_prompts=5120"

CANNOT_RUN = "this version cannot run this yet: "


def warnings(plan: SweepPlan) -> tuple[str, ...]:
    """All but what this version cannot run."""
    return tuple(warning for warning in plan.warnings if not warning.startswith(CANNOT_RUN))


def test_what_this_version_cannot_run_is_one_line_and_submit_refuses_it() -> None:
    overrides = ("evaluations=[{benchmark: heldout, at: budgets, method: sampled, samples: 2, top_p: 0.9}]",)
    said = [line for line in planned("quickstart", *overrides).warnings if line.startswith(CANNOT_RUN)]
    assert said == [f"{CANNOT_RUN}evaluations.top_p (0.9); `submit` will refuse it"]
    with pytest.raises(SpecError, match=r"asks for what this version cannot run.*\n  evaluations\.top_p \(0\.9\)"):
        check_runnable(load_sweep(SWEEPS / "quickstart.yaml", overrides))
    assert planned("quickstart").warnings == ()
    assert reasons_against(load_sweep(SWEEPS / "quickstart.yaml")) == []


def test_processes_that_cannot_be_spread_over_the_nodes_are_refused_with_both_numbers() -> None:
    def reason(resources: str) -> str:
        (found,) = reasons_against(load_sweep(SWEEPS / "quickstart.yaml", [f"resources={resources}"]))
        return found

    assert reason("{nodes: 2}").startswith("resources.nodes 2 does not divide a trial's 1 processes")
    assert reason("{gpus: 16}").startswith("resources.gpus 16 is 16 on each of a trial's nodes")
    assert reason("{gpus: 8, nodes: 2, tensor_parallel: 8}").startswith("resources.tensor_parallel 8 does not divide")
    assert reasons_against(load_sweep(SWEEPS / "quickstart.yaml", ["resources={gpus: 16, nodes: 2}"])) == []


@pytest.mark.parametrize(
    ("reasons", "short"),
    [
        (["algorithm (dapo) cannot be run", "algorithm (gspo) cannot be run"], "algorithm (dapo, gspo)"),
        ([f"tau ({n}) is not done" for n in range(9)], "tau (0, 1, ... 8)"),
        (["retry is not followed by this version: a trial waits"], "retry"),
        (["loss.x (1) is not", "lora (rank=8 alpha=None targets=all) is not"], "lora, loss.x (1)"),
        ([f"s{n} (1) is not" for n in range(7)], "s0 (1), s1 (1), s2 (1), s3 (1) and 3 more"),
    ],
)
def test_many_reasons_are_a_few_settings_with_their_values(reasons: list[str], short: str) -> None:
    assert shortened(reasons) == short


@pytest.mark.parametrize("name", sorted({file.stem for file in SHIPPED} - {"cross_algorithm", "agentic_tools"}))
def test_most_shipped_sweeps_need_no_warning(name: str) -> None:
    assert warnings(planned(name)) == ()


def test_scores_of_a_policy_with_tools_are_said_to_be_without() -> None:
    (warning,) = warnings(planned("agentic_tools"))
    assert "held-out problems are answered without the environment's tools" in warning


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
    assert warnings(planned("single_gpu", SMALL, *overrides)) == (warning,)


def test_a_warning_of_some_kinds_names_them_and_one_of_all_does_not() -> None:
    (some,) = warnings(planned("cross_algorithm"))
    assert some.startswith("algorithm dapo, qwen2.5-0.5b and 4 more: groups of equal rewards")


def test_too_little_memory_on_a_cpu_is_said_with_what_takes_it() -> None:
    (warning,) = warnings(planned("single_gpu", SMALL, "resources={gpus: 0, memory_gb: 64}"))
    assert warning.endswith(" GB of memory, the most for activations, and resources.memory_gb is 64")
    assert planned("quickstart").warnings == ()


def test_the_time_of_a_tiny_model_on_a_gpu_is_not_taken_for_known() -> None:
    (warning,) = warnings(planned("quickstart", "model=[qwen2-25k]", "resources.gpus=1"))
    assert warning.startswith("5% of a GPU's peak is assumed, which is for models of 0.5B parameters and more; one of ")
    assert planned("quickstart", "resources.gpus=1", "expected.utilization=0.001").warnings == ()


@pytest.mark.parametrize(
    ("name", "why"), [("quickstart", "the trials run on CPUs"), ("single_gpu", "the file names their GPU")]
)
def test_a_gpu_that_no_trial_will_use_is_said(name: str, why: str) -> None:
    assert warnings(planned(name, gpu="A100-80GB")) == (f"--gpu A100-80GB is not used: {why}",)
    assert warnings(planned("compute_scaling", gpu="A100-80GB")) == ()


@pytest.mark.parametrize(
    ("share", "warning"),
    [
        (
            0.05,
            "generation.gpu_memory_utilization is 0.05, 4 GB of each GPU: the engine's weights take 3.09 GB, and the "
            "cache of the completions that it should draw at a time 5.64 GB; take 0.11",
        ),
        (0.11, None),
        (0.3, None),
        (
            0.9,
            "generation.gpu_memory_utilization is 0.9, 72 GB of each GPU: beside the rest of the trial 0.5 is the "
            "most that fits",
        ),
    ],
)
def test_a_share_of_memory_that_is_too_little_or_too_much_for_the_engine_is_said(
    share: float, warning: str | None
) -> None:
    plan = planned("single_gpu", "model=[qwen2.5-1.5b]", f"generation.gpu_memory_utilization={share}")
    assert warnings(plan) == (() if warning is None else (warning,))


def test_what_differs_in_its_numbers_alone_is_said_once_of_the_worst() -> None:
    sizes = planned("quickstart", "resources={memory_gb: 1.0}").kinds
    (warning,) = planned("quickstart", "resources={memory_gb: 1.0}").warnings
    assert warning.startswith("qwen2-886k: a trial may take 1.8 GB")
    assert warning.endswith(f"; the like holds for {len(sizes) - 1} others")
