"""Which budgets share one run, which are refused, and which become trials of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.problems import InvalidSweep
from tests.unit.test_presets import STUDY


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    return file


def test_budgets_share_a_run_where_the_way_does_not_depend_on_the_end(study: Path) -> None:
    (trial,) = load_sweep(study, ["budgets.at=[5120, 51200]"]).trials
    (shorter,) = load_sweep(study, ["budgets.at=[5120]"]).trials
    assert trial.spec.budget.at == (5120, 51200)
    assert trial.science_hash == shorter.science_hash


@pytest.mark.parametrize("depends", ["optimizer.schedule=cosine", "data.total_prompts=budget"])
def test_budgets_cannot_share_a_run_whose_way_depends_on_the_end(study: Path, depends: str) -> None:
    with pytest.raises(InvalidSweep, match=r"2 budgets cannot share one trajectory, since .*trajectories: separate"):
        load_sweep(study, [depends, "budgets.at=[5120, 51200]"])


@pytest.mark.parametrize("depends", ["optimizer.schedule=linear", "data.total_prompts=budget"])
def test_separate_trajectories_are_trials_of_their_own(study: Path, depends: str) -> None:
    loaded = load_sweep(study, [depends, "budgets.at=[5120, 51200]", "budgets.trajectories=separate"])
    assert [trial.spec.budget.at for trial in loaded.trials] == [(5120,), (51200,)]
    assert [trial.axes["budget"] for trial in loaded.trials] == [5120, 51200]
    assert len({trial.science_hash for trial in loaded.trials}) == 2


def test_separate_trials_that_would_be_one_are_refused(study: Path) -> None:
    with pytest.raises(InvalidSweep, match="trials for each budget would be one and the same"):
        load_sweep(study, ["budgets.at=[5120, 51200]", "budgets.trajectories=separate"])


def test_what_depends_on_its_end_is_separated_and_the_rest_shares(study: Path) -> None:
    axes = "axes={grid: {optimizer.schedule: [constant, linear]}}"
    loaded = load_sweep(study, [axes, "budgets.at=[5120, 51200]", "budgets.trajectories=separate"])
    assert [trial.spec.budget.at for trial in loaded.trials] == [(5120, 51200), (5120,), (51200,)]
    assert [trial.axes.get("budget") for trial in loaded.trials] == [None, 5120, 51200]
    assert len({trial.science_hash for trial in loaded.trials}) == 3


def test_a_single_budget_may_depend_on_its_end(study: Path) -> None:
    (trial,) = load_sweep(study, ["optimizer.schedule=linear"]).trials
    (other,) = load_sweep(study, ["optimizer.schedule=linear", "budgets.at=[5120]"]).trials
    assert trial.science_hash != other.science_hash


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["budgets.at=[51201]"], r"51201 samples are 51,201 prompts, and data.total_prompts is 51,200"),
        (["budgets={unit: steps, at: [101]}"], r"101 steps are 51,712 prompts, and data.total_prompts is 51,200"),
        (["data.total_prompts=budget", "budgets={unit: flops, at: [1.0e+18]}"], "needs budgets in samples or steps"),
        (["data.total_prompts=budget", "tau=7"], "a budget of 51200 samples is not a multiple of tau 7"),
        (["tau=7"], "total_prompts 51200 is not a multiple of tau 7"),
        (["resources={gpus: 0}", "budgets={unit: gpu_hours, at: [8]}"], "the trials run on CPUs"),
    ],
)
def test_budgets_that_the_trials_cannot_have_are_refused(study: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(InvalidSweep, match=message):
        load_sweep(study, overrides)
