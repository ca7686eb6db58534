"""What a trial has of each name, which conditions see and trials are built from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sweepfile.loading import LoadedSweep, load_sweep
from tests.unit.test_presets import STUDY


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    return file


def with_axes(study: Path, grid: str, *overrides: str, when: str = "", exclude: str = "") -> LoadedSweep:
    axes = f"axes:\n  grid: {{{grid}}}\n  when: [{when}]\n  exclude: [{exclude}]\n"
    study.write_text(study.read_text() + axes)
    return load_sweep(study, overrides)


def with_base(study: Path, text: str) -> None:
    study.write_text(study.read_text().replace("base:\n", f"base:\n  {text}\n"))


# Mappings as values of axes


def test_a_mapping_is_put_over_what_preset_file_and_algorithm_give(study: Path) -> None:
    grid = "algorithm: [grpo, dapo], loss: [{clip_high: 0.3}], optimizer: [{learning_rate: 2.0e-6}]"
    grpo, dapo = (trial.spec for trial in with_axes(study, grid, "optimizer.weight_decay=0.3").trials)
    assert [each.algorithm.clip_high for each in (grpo, dapo)] == [0.3, 0.3]
    assert [each.algorithm.dual_clip for each in (grpo, dapo)] == [3.0, 3.0]
    assert [each.algorithm.kl_coefficient for each in (grpo, dapo)] == [0.001, 0.0]
    assert [each.algorithm.dynamic_sampling for each in (grpo, dapo)] == [False, True]
    assert (grpo.optimizer.learning_rate, grpo.optimizer.weight_decay) == (2e-6, 0.3)


def test_a_mapping_means_what_its_leaves_mean(study: Path) -> None:
    other = study.with_name("other.yaml")
    other.write_text(STUDY)
    whole = with_axes(study, "optimizer: [{learning_rate: 1.0e-6}, {learning_rate: 2.0e-6}]").trials
    leaf = with_axes(other, "optimizer.learning_rate: [1.0e-6, 2.0e-6]").trials
    assert [trial.science_hash for trial in whole] == [trial.science_hash for trial in leaf]


def test_nothing_takes_a_whole_mapping_away(study: Path) -> None:
    with_base(study, "lora: {rank: 8, alpha: 32}")
    trials = with_axes(study, "lora: [null, {rank: 16}]").trials
    assert [trial.spec.lora and (trial.spec.lora.rank, trial.spec.lora.alpha) for trial in trials] == [None, (16, 32)]


def test_a_rule_puts_a_mapping_over_that_of_the_axis(study: Path) -> None:
    rule = "{if: {optimizer.learning_rate: 2.0e-6}, set: {optimizer: {weight_decay: 0.5}}}"
    loaded = with_axes(study, "optimizer: [{learning_rate: 1.0e-6}, {learning_rate: 2.0e-6}]", when=rule)
    found = [(trial.spec.optimizer.learning_rate, trial.spec.optimizer.weight_decay) for trial in loaded.trials]
    assert found == [(1e-6, 0.1), (2e-6, 0.5)]


@pytest.mark.parametrize(
    ("axis", "given", "expected"),
    [
        ("optimizer: [{learning_rate: 1.0e-6}, {learning_rate: 3.0e-6}]", "optimizer.learning_rate: 2.0e-6", 2e-6),
        ("optimizer.learning_rate: [1.0e-6, 3.0e-6]", "optimizer: {learning_rate: 2.0e-6}", 2e-6),
    ],
)
def test_a_rule_wins_over_an_axis_that_gives_the_value_under_another_name(
    study: Path, axis: str, given: str, expected: float
) -> None:
    rule = f"{{if: {{optimizer.learning_rate: 1.0e-6}}, set: {{{given}}}}}"
    loaded = with_axes(study, f"{axis}, seed: [0, 1]", when=rule)
    assert [trial.spec.optimizer.learning_rate for trial in loaded.trials] == [expected, expected, 3e-6, 3e-6]


# Conditions


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("{loss.clip_high: 0.28}", ["grpo", "gspo"]),
        ("{loss.kl_coefficient: 0.001}", ["dapo", "gspo"]),
        ("{loss.dual_clip: null}", ["grpo", "dapo"]),
        ("{loss: {kl_coefficient: 0.0, clip_high: 0.28}}", ["grpo", "gspo"]),
        ("{loss.dynamic_sampling: true}", ["grpo", "gspo"]),
    ],
)
def test_a_condition_sees_what_the_algorithm_sets(study: Path, pattern: str, left: list[str]) -> None:
    loaded = with_axes(study, "algorithm: [grpo, dapo, gspo]", exclude=pattern)
    assert [trial.axes["algorithm"] for trial in loaded.trials] == left


def test_a_condition_sees_that_the_file_wins_over_the_algorithm(study: Path) -> None:
    with_base(study, "loss: {clip_high: 0.25}")
    rule = "{if: {loss.clip_high: 0.25}, set: {group_size: 4}}"
    trials = with_axes(study, "algorithm: [grpo, dapo]", when=rule).trials
    assert [trial.spec.algorithm.group_size for trial in trials] == [4, 4]


def test_a_condition_sees_the_parts_of_a_mapping_and_what_it_leaves_as_it_was(study: Path) -> None:
    rate = "{if: {optimizer.learning_rate: 1.0e-6}, set: {group_size: 4}}"
    decay = "{if: {optimizer: {weight_decay: 0.1}}, set: {seed: 5}}"
    grid = "optimizer: [{learning_rate: 2.0e-6}, {weight_decay: 0.2}]"
    first, second = with_axes(study, grid, when=f"{rate}, {decay}").trials
    assert (first.spec.algorithm.group_size, first.spec.seed) == (8, 5)
    assert (second.spec.algorithm.group_size, second.spec.seed) == (4, 0)


def test_resources_see_what_the_algorithm_and_a_mapping_give(study: Path) -> None:
    rules = "[{if: {loss.clip_high: 0.28, optimizer.weight_decay: 0.2}, gpus: 4}, {if: {tau: 1}, gpus: 2}]"
    grid = "algorithm: [grpo, dapo], optimizer: [{weight_decay: 0.2}, {weight_decay: 0.3}]"
    assert [trial.spec.execution.gpus for trial in with_axes(study, grid, f"resources={rules}").trials] == [2, 2, 4, 2]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[{if: {seed: 1}, gpus: 4, micro_batch: 8}, {if: {seed: 2}, gpus: 8, micro_batch: 2}]", [(4, 8), (8, 2)]),
        ("[{if: {seed: 1}, gpus: 1}]", [(1, None), (None, None)]),
    ],
)
def test_resources_of_a_seed_are_those_of_no_other(study: Path, rules: str, expected: list[tuple[int, int]]) -> None:
    loaded = with_axes(study, "seed: [1, 2]", f"resources={rules}")
    found = [trial.spec.execution for trial in loaded.trials]
    assert [(each.gpus, each.micro_batch) for each in found] == expected


# `tau` and `data.tau`


@pytest.mark.parametrize("axis", ["tau", "data.tau"])
@pytest.mark.parametrize("condition", ["tau", "data.tau"])
@pytest.mark.parametrize("changed", ["tau", "data.tau"])
def test_a_value_that_has_two_names_is_one_value(study: Path, axis: str, condition: str, changed: str) -> None:
    loaded = with_axes(study, f"{axis}: [1, 2]", when=f"{{if: {{{condition}: 2}}, set: {{{changed}: 4}}}}")
    assert [trial.spec.data.tau for trial in loaded.trials] == [1, 4]
    assert [trial.axes for trial in loaded.trials] == [{"tau": 1}, {"tau": 4}]


@pytest.mark.parametrize("below", ["tau: 2", "data: {tau: 2}"])
@pytest.mark.parametrize("above", ["tau: 5", "data: {tau: 5}"])
def test_what_is_given_later_wins_under_whichever_name(study: Path, below: str, above: str) -> None:
    (study.with_name("middle.yaml")).write_text(f"extends: study.yaml\nbase: {{{below}}}\n")
    child = study.with_name("child.yaml")
    child.write_text(f"extends: middle.yaml\nbase: {{{above}}}\n")
    taus = [load_sweep(child, overrides).trials[0].spec.data.tau for overrides in ([], ["tau=4"], ["data.tau=4"])]
    assert taus == [5, 4, 4]


def test_a_mapping_gives_the_value_under_both_names(study: Path) -> None:
    with_base(study, "tau: 2")
    (trial,) = with_axes(study, "data: [{tau: 5}, {tau: 20}]", exclude="{tau: 20}").trials
    assert trial.spec.data.tau == 5
