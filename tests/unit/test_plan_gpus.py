"""The plan of a whole sweep: its trials, where each runs, what it computes, and on which other GPUs it would run."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.errors import SpecError
from orchestrator.planning.kind_plan import KindPlan, OnGpus
from orchestrator.planning.plan import SweepPlan, UnplannableSweep, plan_sweep
from orchestrator.sweepfile.loading import load_sweep
from workers.gpus import gpu_type

SWEEPS = Path(__file__).parents[2] / "sweeps"
SHIPPED = sorted(SWEEPS.glob("*.yaml"))
LADDER = [f"qwen2.5-{size}" for size in ("0.5b", "1.5b", "3b", "7b", "14b", "32b", "72b")]
ON_80_GB = dict(zip(LADDER, [1, 1, 2, 4, 8, 16, 32], strict=True))


def planned(
    name: str, *overrides: str, gpu: str | None = None, gpus: int | None = None, cpus: int | None = None
) -> SweepPlan:
    """The plan of a shipped sweep, as changed by `--set`, without a database."""
    loaded = load_sweep(SWEEPS / f"{name}.yaml", overrides)
    return plan_sweep(loaded, gpu=None if gpu is None else gpu_type(gpu), gpus=gpus, cpus=cpus)


def plans(plan: SweepPlan) -> dict[str, KindPlan]:
    """What a trial of each kind needs, by the kind's label."""
    return {kind.plan.kind.label: kind.plan for kind in plan.kinds}


def on_gpus(plan: KindPlan) -> OnGpus:
    assert plan.on_gpus is not None
    return plan.on_gpus


def num_gpus(plan: SweepPlan) -> dict[str, float]:
    return {label: on_gpus(kind).number for label, kind in plans(plan).items()}


def test_the_main_sweep_has_42_trials_of_14_kinds_on_the_gpus_of_the_design() -> None:
    plan = planned("compute_scaling")
    instruct = {f"{model}-instruct": gpus for model, gpus in ON_80_GB.items()}
    assert num_gpus(plan) == ON_80_GB | instruct
    assert [len(kind.trials) for kind in plan.kinds] == [3] * 14
    assert (plan.totals.trials, plan.totals.new, plan.totals.done, plan.totals.partly) == (42, 42, 0, 0)
    assert [trial.axes for trial in plan.trials[:4]] == [
        *({"model": "qwen2.5-0.5b", "seed": seed} for seed in (0, 1, 2)),
        {"model": "qwen2.5-1.5b", "seed": 0},
    ]
    assert plan.totals.most_gpus == 32
    assert plan.totals.gpus_at_once == 2 * 3 * sum(ON_80_GB.values())


def test_large_models_take_whole_nodes_and_parallelism() -> None:
    placements = [on_gpus(plan).placement for plan in list(plans(planned("compute_scaling")).values())[:7]]
    assert [placed.nodes for placed in placements] == [1, 1, 1, 1, 1, 2, 4]
    assert [placed.tensor_parallel for placed in placements] == [1, 1, 1, 1, 2, 4, 8]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_sweep_keeps_its_batch_wherever_it_runs(file: Path) -> None:
    plan = planned(file.stem)
    assert len(plan.trials) == plan.totals.trials == sum(len(kind.trials) for kind in plan.kinds)
    for kind in (each.plan for each in plan.kinds):
        algorithm = kind.kind.spec.algorithm
        an_update = algorithm.prompts_per_step * algorithm.group_size / algorithm.updates_per_step
        if kind.on_gpus is not None:
            placed = kind.on_gpus.placement
            assert placed.gpus * placed.micro_batch * placed.accumulation == an_update
            assert placed.gpus % placed.tensor_parallel == 0
        assert (kind.on_gpus is None) == (kind.gpu_hours is None) == (kind.cpu_memory is not None)
        assert kind.last.samples >= kind.kind.spec.budget.last
        assert kind.storage.kept_bytes > 0


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_flops_by_phase_add_up_over_phases_and_over_trials(file: Path) -> None:
    plan = planned(file.stem)
    phases = ("generation", "old_logprob", "reference", "train", "evaluation")
    for phase in phases:
        of_trials = sum(getattr(trial.plan.flops, phase) for trial in plan.trials)
        assert getattr(plan.totals.flops, phase) == pytest.approx(of_trials, rel=1e-12)
    assert plan.totals.flops.total == pytest.approx(sum(trial.plan.flops.total for trial in plan.trials), rel=1e-12)
    for kind in (each.plan for each in plan.kinds):
        assert kind.flops.total == pytest.approx(sum(getattr(kind.flops, phase) for phase in phases), rel=1e-12)
        assert kind.flops.evaluation == sum(scoring.flops for scoring in kind.scorings) > 0


# PFLOP of one step at 150 prompt and 600 completion tokens, from the published table of the design.
A_STEP = {"0.5b": 17.8, "1.5b": 56.4, "3b": 113.5, "7b": 259.3, "14b": 517, "32b": 1182, "72b": 2643}


@pytest.mark.parametrize("size", A_STEP)
def test_a_sweep_file_of_the_papers_recipe_costs_what_the_design_says(size: str) -> None:
    plan = plans(planned("compute_scaling", f"model=[qwen2.5-{size}]"))[f"qwen2.5-{size}"]
    assert (plan.lengths.prompt_tokens, plan.lengths.completion_tokens, plan.lengths.source) == (150, 600, "assumed")
    rounding = 0.051 if isinstance(A_STEP[size], float) else 0.51
    assert plan.cost.step.flops.total / 1e15 == pytest.approx(A_STEP[size], abs=rounding)
    assert plan.last.steps == 105
    assert plan.flops.training == pytest.approx(105 * plan.cost.step.flops.total, rel=1e-12)
    assert plan.flops.train == pytest.approx(3 * plan.flops.old_logprob, rel=1e-12)


def test_other_gpus_take_other_numbers_of_them() -> None:
    base = f"model=[{', '.join(LADDER)}]"
    smaller = planned("compute_scaling", base, gpu="A100-40GB")
    larger = planned("compute_scaling", base, gpu="MI300X-192GB@1307TFLOPS")
    assert list(num_gpus(smaller).values()) == [1, 2, 4, 8, 16, 64, 256]
    assert list(num_gpus(larger).values()) == [1, 1, 1, 2, 4, 8, 16]
    for plan, peak in ((smaller, 312e12), (larger, 1307e12)):
        hours = plan.totals.gpu_hours
        on_h100 = planned("compute_scaling", base).totals.gpu_hours
        assert hours is not None
        assert on_h100 is not None
        assert hours.central == pytest.approx(on_h100.central * 989.4e12 / peak)
        assert plan.totals.flops == planned("compute_scaling", base).totals.flops


def test_too_few_gpus_are_refused_with_everything_that_does_not_fit() -> None:
    with pytest.raises(UnplannableSweep) as caught:
        planned("compute_scaling", gpus=2)
    first, *reasons = str(caught.value).splitlines()
    assert first == f"{SWEEPS / 'compute_scaling.yaml'} has trials that cannot be planned:"
    assert [line.split(":")[0].strip() for line in reasons] == [
        f"qwen2.5-{size} and 1 more" for size in ("7b", "14b", "32b", "72b")
    ]
    assert all("On 2 H100-80GB GPUs, all that there are, training needs" in line for line in reasons)
    for line, wanted in zip(reasons, (4, 8, 16, 32), strict=True):
        assert f"What would help: {wanted} H100-80GB GPUs" in line


def test_a_number_that_the_file_asks_for_must_be_there() -> None:
    assert num_gpus(planned("single_gpu", "resources.gpus=4")) == dict.fromkeys(LADDER[:2], 4)
    with pytest.raises(SpecError, match=r"resources\.gpus asks for 4 H100-80GB GPUs a trial, and there are 3\."):
        planned("single_gpu", "resources.gpus=4", gpus=3)


def test_trials_that_share_a_gpu_hold_a_part_of_it_and_take_their_part_of_its_time() -> None:
    alone = plans(planned("single_gpu", "model=[qwen2.5-0.5b]"))["qwen2.5-0.5b"]
    shared = plans(planned("single_gpu", "model=[qwen2.5-0.5b]", "resources.trials_per_gpu=4"))["qwen2.5-0.5b"]
    assert (alone.gpus, shared.gpus) == (1, 0.25)
    assert alone.gpu_hours is not None
    assert shared.wall_hours is not None
    assert shared.gpu_hours == alone.gpu_hours
    assert shared.wall_hours.central == pytest.approx(4 * alone.gpu_hours.central)
    placed = on_gpus(shared).placement
    assert max(placed.training.total, placed.generation.total) <= 0.94 * 80e9 / 4


def test_trials_too_many_for_one_gpu_are_refused_with_the_part_that_each_would_have() -> None:
    with pytest.raises(SpecError, match=r"On 1 H100-80GB/4 GPU training needs .* and 18\.8 GB are usable"):
        planned("single_gpu", "model=[qwen2.5-1.5b]", "resources.trials_per_gpu=4")


def test_models_made_here_run_on_cpus_unless_they_are_given_gpus() -> None:
    on_cpus = planned("quickstart", cpus=2)
    assert on_cpus.totals.gpu_hours is None
    assert (on_cpus.totals.trials_on_cpus, on_cpus.totals.gpus_at_once) == (8, 0)
    assert num_gpus(planned("quickstart", "resources.gpus=1")) == dict.fromkeys(plans(on_cpus), 1)


def test_four_families_are_counted_offline() -> None:
    found = {plan.architecture.family for plan in plans(planned("model_families")).values()}
    assert found == {"qwen2", "qwen3", "llama", "mistral"}


def test_more_gpus_than_there_are_in_the_world_are_as_many_as_are_wanted() -> None:
    many = planned("compute_scaling", "model=[qwen2.5-72b]", gpus=10**11)
    assert [kind.plan.gpus for kind in many.kinds] == [32]
