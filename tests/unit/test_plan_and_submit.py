"""What `submit` runs is what `plan` shows: GPUs, micro-batch, sleep mode; and what neither can be is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from db.errors import EnvironmentProblem
from orchestrator.machine import check_machine
from orchestrator.planned_execution import as_planned
from orchestrator.planning.plan import plan_sweep
from orchestrator.sweepfile.loading import LoadedSweep, load_sweep
from tests.unit.test_plan_gpus import SWEEPS

ON_THE_HUB = """
name: hub
models:
  small: {source: Qwen/Qwen2.5-1.5B, dtype: bfloat16}
  large: {source: Qwen/Qwen2.5-7B, dtype: bfloat16}
base: {model: small, data: {task: affine-lookup}, prompts_per_step: 64, generation: {max_completion_tokens: 64},
       group_size: 8, optimizer: {learning_rate: 1.0e-6}}
axes: {grid: {seed: [1, 2]}}
budgets: {unit: steps, at: [4]}
evaluations: [{benchmark: heldout}]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hub.yaml"
    path.write_text(ON_THE_HUB)
    return path


def executions(loaded: LoadedSweep) -> list[tuple[int | None, int | None, bool | None]]:
    found = [trial.spec.execution for trial in loaded.trials]
    return [(each.gpus, each.micro_batch, each.sleep_mode) for each in found]


def test_what_the_file_leaves_open_is_as_planned(file: Path) -> None:
    loaded = load_sweep(file, ())
    placed = plan_sweep(loaded).kinds[0].plan.on_gpus
    assert placed is not None
    decided = as_planned(loaded)
    assert executions(loaded) == [(None, None, None)] * 2
    assert executions(decided) == [(1, placed.placement.micro_batch, placed.placement.sleep_mode)] * 2
    assert decided.trials[0].spec.execution.num_gpus == 1
    assert [each.science_hash for each in decided.trials] == [each.science_hash for each in loaded.trials]


def test_what_the_file_says_stays(file: Path) -> None:
    said = as_planned(load_sweep(file, ["resources={gpus: 1, micro_batch: 32, sleep_mode: true}"]))
    assert executions(said) == [(1, 32, True)] * 2
    on_cpus = load_sweep(file, ["resources.gpus=0"])
    assert as_planned(on_cpus) is on_cpus
    made_here = load_sweep(SWEEPS / "quickstart.yaml", ())
    assert as_planned(made_here) is made_here


def test_a_trial_that_is_planned_for_several_nodes_is_given_them_and_refused_on_a_machine(file: Path) -> None:
    resources = "resources={gpus: 16, gpu: H100-80GB, tensor_parallel: 2}"
    decided = as_planned(load_sweep(file, ["model=large", resources]))
    (execution,) = {trial.spec.execution for trial in decided.trials}
    assert (execution.gpus, execution.nodes, execution.tensor_parallel) == (16, 2, 2)
    with pytest.raises(EnvironmentProblem, match=r"A trial takes 2 nodes, .* on a Ray cluster, with --address"):
        check_machine([execution])


def test_a_trial_that_needs_a_gpu_is_refused_where_there_is_none_with_what_to_do(file: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    decided = as_planned(load_sweep(file, ()))
    with pytest.raises(EnvironmentProblem) as caught:
        check_machine([trial.spec.execution for trial in decided.trials])
    assert str(caught.value).startswith(
        "A trial needs 1 GPU, by resources.gpus or as `rlsweep plan` reckons, and this "
    )
    assert "this machine has none" in str(caught.value)
    assert "`resources: {gpus: 0}`" in str(caught.value)
