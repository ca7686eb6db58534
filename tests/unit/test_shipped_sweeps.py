"""The study as files: every one is valid, says what it asks and costs, and describes the runs that it should."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from orchestrator.planning.plan import plan_sweep
from orchestrator.screens.plan_units import flops, interval, size
from orchestrator.sweepfile.loading import LoadedSweep, load_sweep
from tests.unit.test_prompts_published import TAUS, pool, published
from workers.prompts.slices import slice_for_tau

FOLDER = Path(__file__).parents[2] / "sweeps"
SHIPPED = sorted(FOLDER.glob("*.yaml"))
NAMES = {
    "agentic_tools", "code_and_logic", "compute_scaling", "cross_algorithm", "data_reuse", "data_scaling",
    "first_experiments", "first_experiments_reuse", "group_size", "model_families", "quickstart", "saturation",
    "single_gpu",
}  # fmt: skip


def shipped(name: str) -> LoadedSweep:
    return load_sweep(FOLDER / f"{name}.yaml")


def test_the_whole_study_is_there() -> None:
    assert {file.stem for file in SHIPPED} == NAMES


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_file_opens_with_its_question_its_cost_and_its_command(file: Path) -> None:
    question, cost, command = file.read_text().splitlines()[:3]
    loaded = load_sweep(file)
    assert question == f"# Question:  {_uncapitalised(loaded.sweep.question or '')}"
    assert re.match(r"# Cost:      .*\d", cost)
    totals = plan_sweep(loaded).totals
    if totals.gpu_hours is not None:
        assert cost == (
            f"# Cost:      {totals.trials} trials, {flops(totals.flops.total)}; {interval(totals.gpu_hours)} "
            f"H100-hours, {size(totals.peak_bytes)} of checkpoints at most."
        )
    assert command.startswith(f"# Command:   rlsweep submit sweeps/{file.name}")
    assert loaded.sweep.name == file.stem.replace("_", "-")


def _uncapitalised(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def test_the_main_sweep_has_fourteen_models_and_the_papers_recipe() -> None:
    trials = shipped("compute_scaling").trials
    assert len({trial.spec.model.source for trial in trials}) == 14
    assert {trial.spec.algorithm.completions_per_step for trial in trials} == {4096}
    assert {trial.spec.budget.last for trial in trials} == {105 * 512}


def test_the_runs_over_data_are_the_runs_over_compute() -> None:
    over_data, over_compute = shipped("data_scaling").trials, shipped("compute_scaling").trials
    assert [t.science_hash for t in over_data] == [t.science_hash for t in over_compute]


def test_later_sweeps_run_again_nothing_of_earlier_ones() -> None:
    main = {trial.science_hash for trial in shipped("compute_scaling").trials}
    for name, num_new in {"saturation": 9, "group_size": 9, "first_experiments": 0}.items():
        assert sum(trial.science_hash not in main for trial in shipped(name).trials) == num_new


def test_reuse_keeps_the_number_of_steps_and_divides_the_prompts() -> None:
    trials = shipped("data_reuse").trials
    assert {trial.spec.data.tau for trial in trials} == {1, 2, 5, 20, 25, 50, 100}
    assert {(trial.spec.data.total_prompts, trial.spec.budget.last) for trial in trials} == {(51200, 51200)}


def test_the_slices_of_the_reuse_sweep_are_the_published_ones() -> None:
    folder = os.environ.get("RLSWEEP_GURU_DATA")
    if not folder:
        pytest.skip("RLSWEEP_GURU_DATA does not name a folder with math_curriculum and math_curriculum_sampled")
    found = {trial.spec.data.tau: trial.spec.data for trial in shipped("data_reuse").trials}
    for tau in sorted(found.keys() & set(TAUS)):
        data = found[tau]
        assert isinstance(data.total_prompts, int)
        assert slice_for_tau(pool(Path(folder)), data.total_prompts, data.tau) == published(Path(folder), tau)


def test_algorithms_differ_in_nothing_else() -> None:
    trials = shipped("cross_algorithm").trials
    assert len({trial.spec.algorithm for trial in trials}) == 7
    assert len({(trial.spec.data, trial.spec.optimizer, trial.spec.sampling) for trial in trials}) == 1
