"""Which trials a sweep has, and what makes two of them the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from orchestrator.registration import register
from orchestrator.sweepfile.identity import differences, science, science_hash
from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.problems import InvalidSweep
from workers.spec import TrialSpec


def trial(file: Path, *overrides: str) -> TrialSpec:
    return load_sweep(file, ["model=[small]", "seed=[1]", *overrides]).trials[0].spec


def test_the_first_axis_is_the_outermost_loop(tiny_sweep: Path) -> None:
    axes = [trial.axes for trial in load_sweep(tiny_sweep).trials]
    assert axes == [{"model": model, "seed": seed} for model in ("small", "large") for seed in (1, 2)]


def test_identity_is_stable_over_versions(tiny_sweep: Path) -> None:
    # A golden value: a change here orphans every trial in every database, and wants a new identity version.
    assert science_hash(trial(tiny_sweep)) == "v1:f27dee6e3764b9549d9eabdf2e8f9aacfabe35e82cee2d9b4edbd8a063252ce4"


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.learning_rate=0.002", "group_size=8", "prompts_per_step=16", "loss.kl_coefficient=0.1",
        "generation.temperature=0.9", "data.seed=1", "optimizer.weight_decay=0.1", "models.small.dtype=bfloat16",
        "models.small.made.warm_up.batch_size=64", "models.small.made.hidden_size=64",
    ],
)  # fmt: skip
def test_what_changes_the_numbers_changes_the_identity(tiny_sweep: Path, override: str) -> None:
    assert science_hash(trial(tiny_sweep, override)) != science_hash(trial(tiny_sweep))


@pytest.mark.parametrize(
    "override",
    [
        "budgets.at=[4, 80]", "resources.cpus=2", "resources.micro_batch=8", "checkpoints.every_steps=1",
        "generation.engine=vllm", "models.small.nominal_params=1.0e6",
        "data.heldout_problems=30", "name=other", "question=Why?",
        "resources.gradient_checkpointing=true",
    ],
)  # fmt: skip
def test_how_far_and_how_a_trial_runs_does_not_change_its_identity(tiny_sweep: Path, override: str) -> None:
    assert science_hash(trial(tiny_sweep, override)) == science_hash(trial(tiny_sweep))


def test_a_default_that_is_written_out_is_the_same_trial(tiny_sweep: Path) -> None:
    assert science_hash(trial(tiny_sweep, "loss.clip_low=0.2")) == science_hash(trial(tiny_sweep))


def test_renaming_a_model_made_here_leaves_it_the_same(tiny_sweep: Path) -> None:
    before = science_hash(trial(tiny_sweep))
    tiny_sweep.write_text(tiny_sweep.read_text().replace("small", "little"))
    assert science_hash(load_sweep(tiny_sweep, ["model=[little]", "seed=[1]"]).trials[0].spec) == before


def test_a_specification_survives_its_journey_through_json(tiny_sweep: Path) -> None:
    spec = trial(tiny_sweep)
    assert TrialSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_grid_that_names_one_trial_twice_is_refused(tiny_sweep: Path) -> None:
    with pytest.raises(InvalidSweep, match="1 is given twice, which makes the same trial twice"):
        load_sweep(tiny_sweep, ["seed=[1, 1]"])
    with pytest.raises(InvalidSweep, match=r"model=small, seed=1, group_size=8 comes twice"):
        load_sweep(tiny_sweep, ["axes.zip=[{group_size: [8, 8]}]"])
    with pytest.raises(InvalidSweep, match=r"weight_decay=0.0, .* are the same trial"):
        load_sweep(tiny_sweep, ["axes.grid={optimizer.weight_decay: [0, 0.0], model: [small]}"])


def submitted(database: Engine, file: Path, *overrides: str) -> Any:
    loaded = load_sweep(file, overrides)
    return register(database, loaded)


def test_submitting_a_changed_file_shows_the_difference(tiny_sweep: Path, database: Engine) -> None:
    first = submitted(database, tiny_sweep, "model=[small]")
    second = submitted(database, tiny_sweep, "model=[small]", "seed=[2, 3]")
    assert (len(first.new), len(first.unchanged), len(first.removed)) == (2, 0, 0)
    assert second.unchanged == (first.trial_ids[1],)
    assert second.removed == (first.trial_ids[0],)
    assert len(second.new) == 1


def test_two_sweeps_share_a_trial(tiny_sweep: Path, database: Engine) -> None:
    first = submitted(database, tiny_sweep)
    second = submitted(database, tiny_sweep, "name=other", "budgets.at=[100]")
    assert second.sweep_id != first.sweep_id
    assert second.trial_ids == first.trial_ids


def test_the_fields_that_make_two_trials_different_are_named(tiny_sweep: Path) -> None:
    one, other = trial(tiny_sweep), trial(tiny_sweep, "group_size=8", "models.small.made.hidden_size=64")
    assert differences(science(one), science(other)) == [
        ("algorithm.group_size", 4, 8), ("model.made.hidden_size", 32, 64),
    ]  # fmt: skip
    assert differences(science(one), science(trial(tiny_sweep, "budgets.at=[100]"))) == []
