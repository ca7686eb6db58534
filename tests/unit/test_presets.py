"""Presets and algorithms by name: what they set, what wins over them, and where each value is said to come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sweepfile.algorithms import NAMES, REFUSED, SETTINGS
from orchestrator.sweepfile.loading import LoadedSweep, load_sweep
from orchestrator.sweepfile.presets import published
from orchestrator.sweepfile.problems import InvalidSweep
from orchestrator.sweepfile.resolved import resolved_values
from workers.spec import TrialSpec

STUDY = """
name: reuse
base:
  preset: paper
  model: Qwen/Qwen2.5-7B
  data: {train: someone/prompts, total_prompts: 51200}
budgets: {unit: samples, at: [51200]}
evaluations: [{benchmark: heldout, method: sampled, samples: 1}]
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    return file


def only_trial(file: Path, *overrides: str) -> TrialSpec:
    (trial,) = load_sweep(file, overrides).trials
    return trial.spec


def origins(loaded: LoadedSweep) -> dict[str, str]:
    return {each.name: each.origin for each in resolved_values(loaded)}


def test_the_paper_preset_is_the_papers_recipe(study: Path) -> None:
    spec = only_trial(study)
    algorithm = spec.algorithm
    assert (algorithm.prompts_per_step, algorithm.group_size, algorithm.updates_per_step) == (512, 8, 4)
    assert (algorithm.clip_low, algorithm.clip_high, algorithm.dual_clip) == (0.2, 0.2, 3.0)
    assert (algorithm.kl_coefficient, algorithm.kl_times_ratio, algorithm.aggregation) == (0.001, False, "token_mean")
    assert (spec.optimizer.learning_rate, spec.optimizer.weight_decay, spec.optimizer.schedule) == (
        1e-6,
        0.1,
        "constant",
    )
    assert (spec.sampling.max_completion_tokens, spec.data.max_prompt_tokens) == (4096, 2048)


def test_a_preset_may_build_on_another(study: Path) -> None:
    spec = only_trial(study, "preset=robust")
    assert (spec.algorithm.sampler_correction, spec.data.rewards) == ("token_truncate", "fixed")
    assert spec.algorithm.dual_clip == 3.0


def test_a_version_may_be_named_and_is_the_same_trial(study: Path) -> None:
    newest = published()["paper"][-1]
    assert only_trial(study, f"preset=paper@{newest}") == only_trial(study)


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("papr", "found 'papr', which is no preset; did you mean `paper`"),
        ("paper@99", "found 'paper@99'; the newest version of paper is paper@1"),
        ("[paper]", "expected the name of a preset"),
    ],
)
def test_a_preset_that_is_not_there_is_refused(study: Path, preset: str, message: str) -> None:
    with pytest.raises(InvalidSweep, match=message):
        load_sweep(study, [f"preset={preset}"])


def test_the_file_wins_over_the_algorithm_which_wins_over_the_preset(study: Path) -> None:
    assert only_trial(study).algorithm.clip_high == 0.2
    assert only_trial(study, "algorithm=dapo").algorithm.clip_high == 0.28
    assert only_trial(study, "algorithm=dapo", "base.loss.clip_high=0.3").algorithm.clip_high == 0.3
    assert only_trial(study, "algorithm=dapo").algorithm.kl_coefficient == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_resolves_to_what_it_sets(study: Path, name: str) -> None:
    algorithm = only_trial(study, f"algorithm={name}", "resources.micro_batch=4").algorithm
    for field, value in SETTINGS[name].items():
        assert getattr(algorithm, field.removeprefix("loss.")) == value


def test_no_two_algorithms_are_the_same_recipe(study: Path) -> None:
    trials = [only_trial(study, f"algorithm={name}", "resources.micro_batch=4") for name in NAMES]
    recipes = [trial.algorithm.model_copy(update={"name": "grpo"}) for trial in trials]
    assert all(recipes.count(recipe) == 1 for recipe in recipes)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_here_is_refused_with_the_reason(study: Path, name: str) -> None:
    with pytest.raises(InvalidSweep, match=f"found '{name}': .*TRL 1.16"):
        load_sweep(study, [f"algorithm={name}"])


def test_every_value_says_where_it_comes_from(study: Path) -> None:
    study.write_text(study.read_text() + "axes: {grid: {tau: [1, 5], algorithm: [grpo, dapo]}}\n")
    found = origins(load_sweep(study, ["optimizer.weight_decay=0.0"]))
    assert found["model"] == f"{study}:5:10"
    assert found["tau"] == f"axis, {study}:9:15"
    assert found["group_size"] == "preset paper@1:9:15"
    assert found["loss.clip_high"] == "algorithm dapo; else preset paper@1:18:16"
    assert found["optimizer.weight_decay"] == "--set optimizer.weight_decay=0.0"
    assert found["loss.entropy_quantile"] == "default"
    assert found["budgets.at"] == f"{study}:7:30"
    assert found["retry.preempted.max"] == "default"


def test_every_place_that_gives_a_value_is_named(study: Path) -> None:
    axes = """axes:
  grid:
    data.tau: [1, 2]
    seed: [1, 2]
    optimizer: [{learning_rate: 2.0e-6}, {learning_rate: 3.0e-6, adam_beta2: 0.9}]
  when:
    - {if: {seed: 1}, set: {group_size: 16}}
    - {if: {optimizer.learning_rate: 3.0e-6}, set: {optimizer: {max_grad_norm: 0.5}}}
"""
    study.write_text(study.read_text() + axes)
    found = origins(load_sweep(study))
    assert found["tau"] == f"axis, {study}:11:5"
    assert found["group_size"] == f"when, {study}:15:29; else preset paper@1:9:15"
    assert found["optimizer.learning_rate"] == f"axis, {study}:13:5"
    assert found["optimizer.adam_beta2"] == f"axis, {study}:13:5; else preset paper@1:31:17"
    assert found["optimizer.max_grad_norm"] == f"when, {study}:16:53; else preset paper@1:33:20"
    assert found["optimizer.weight_decay"] == "preset paper@1:32:19"
    study.write_text(study.read_text().replace("seed: [1, 2]", "seed: [1]"))
    assert origins(load_sweep(study))["group_size"] == f"when, {study}:15:29"


TASKS = ("data.task: [affine-lookup]", "data: [{task: affine-lookup}]", "data: [{task: affine-lookup, seed: 3}]")


@pytest.mark.parametrize("axis", TASKS)
def test_what_a_preset_says_of_prompts_gives_way_to_a_task_that_an_axis_gives(study: Path, axis: str) -> None:
    study.write_text(study.read_text().replace("data: {train: someone/prompts, total_prompts: 51200}", "data: {}"))
    study.write_text(f"{study.read_text()}axes: {{grid: {{{axis}}}}}\n")
    loaded = load_sweep(study, ["preset=paper"])
    (trial,) = loaded.trials
    assert (trial.spec.data.task, trial.spec.data.rewards) == ("affine-lookup", "fixed")
    assert origins(loaded)["data.rewards"] == "default"


def test_a_preset_keeps_what_it_says_of_prompts_where_trials_have_some(study: Path) -> None:
    study.write_text(study.read_text().replace("data: {train: someone/prompts, total_prompts: 51200}", "data: {}"))
    study.write_text(
        f"{study.read_text()}axes: {{grid: {{data: [{{task: affine-lookup}}, {{train: some/prompts}}]}}}}\n"
    )
    assert [trial.spec.data.rewards for trial in load_sweep(study).trials] == ["fixed", "paper"]
    assert origins(load_sweep(study))["data.rewards"].endswith("; else default")


def test_a_value_under_its_other_name_is_found(study: Path) -> None:
    study.write_text(study.read_text().replace("total_prompts: 51200", "total_prompts: 51200, tau: 5"))
    assert origins(load_sweep(study))["tau"] == f"{study}:6:61"


def test_a_value_that_an_axis_changes_is_shown_with_all_of_its_values(study: Path) -> None:
    study.write_text(study.read_text() + "axes: {grid: {tau: [1, 5], algorithm: [grpo, dapo], seed: [3, 4]}}\n")
    values = {each.name: each.values for each in resolved_values(load_sweep(study))}
    assert values["tau"] == (1, 5)
    assert values["seed"] == (3, 4)
    assert values["loss.clip_high"] == (0.2, 0.28)
    assert values["optimizer.learning_rate"] == (1e-6,)
