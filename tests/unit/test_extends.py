"""A sweep file that is another one with some values changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.problems import InvalidSweep


def child(tiny_sweep: Path, text: str) -> Path:
    file = tiny_sweep.parent / "more" / "child.yaml"
    file.parent.mkdir()
    file.write_text(f"extends: ../tiny.yaml\n{text}")
    return file


def test_mappings_are_merged_and_lists_replaced(tiny_sweep: Path) -> None:
    loaded = load_sweep(child(tiny_sweep, "name: child\nbase: {group_size: 8}\naxes: {grid: {seed: [5]}}\n"))
    assert loaded.sweep.name == "child"
    assert [trial.axes for trial in loaded.trials] == [{"model": "small", "seed": 5}, {"model": "large", "seed": 5}]
    assert {trial.spec.algorithm.group_size for trial in loaded.trials} == {8}
    assert {trial.spec.algorithm.prompts_per_step for trial in loaded.trials} == {8}


def test_a_file_that_changes_nothing_but_its_name_has_the_same_trials(tiny_sweep: Path) -> None:
    one, other = load_sweep(tiny_sweep).trials, load_sweep(child(tiny_sweep, "name: child\n")).trials
    assert [science_hash(trial.spec) for trial in one] == [science_hash(trial.spec) for trial in other]


def test_the_text_that_is_kept_holds_both_files(tiny_sweep: Path) -> None:
    text = load_sweep(child(tiny_sweep, "name: child\n")).source.text
    assert text.startswith("extends: ../tiny.yaml\nname: child\n")
    assert tiny_sweep.read_text() in text


def test_a_problem_is_reported_in_the_file_that_has_it(tiny_sweep: Path) -> None:
    tiny_sweep.write_text(tiny_sweep.read_text().replace("keep: 1", "keep: 0"))
    with pytest.raises(InvalidSweep) as caught:
        load_sweep(child(tiny_sweep, "axes: {grid: {seed: [x]}}\n"))
    found = {problem.path[0]: str(problem).rpartition("/")[2] for problem in caught.value.problems}
    assert found["checkpoints"].startswith("tiny.yaml:28:37: checkpoints.keep: found 0")
    assert found["axes"].startswith("child.yaml:2:22: axes.grid.seed[0]: found 'x'")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("none.yaml", "child.yaml:1:10: extends: there is no file"),
        ("child.yaml", "child.yaml:1:10: extends: a file cannot extend itself"),
        ('"a\\0b"', "child.yaml:1:10: extends: holds the character U+0000, which text may not have"),
        ("n" * 5000, "child.yaml:1:10: extends: found 'nnn"),
        ("[a, b]", "extends: found a list of 2, expected the path of a sweep file"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, named: str, message: str) -> None:
    (tmp_path / "child.yaml").write_text(f"extends: {named}\n")
    with pytest.raises(InvalidSweep) as caught:
        load_sweep(tmp_path / "child.yaml")
    assert message in str(caught.value)


def test_two_files_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(InvalidSweep, match="goes round in a circle"):
        load_sweep(tmp_path / "a.yaml")


def test_null_takes_an_axis_or_a_model_away(tiny_sweep: Path) -> None:
    loaded = load_sweep(child(tiny_sweep, "models: {large: null}\nbase: {model: small}\naxes: {grid: {model: null}}\n"))
    assert [trial.axes for trial in loaded.trials] == [{"seed": 1}, {"seed": 2}]
    assert set(loaded.sweep.models) == {"small"}


def test_null_on_the_command_line_takes_an_axis_away(tiny_sweep: Path) -> None:
    for name in ("seed", "axes.grid.seed"):
        assert [trial.axes for trial in load_sweep(tiny_sweep, [f"{name}=null"]).trials] == [
            {"model": "small"}, {"model": "large"},
        ]  # fmt: skip


def test_null_on_the_command_line_takes_a_model_away(tiny_sweep: Path) -> None:
    loaded = load_sweep(tiny_sweep, ["model=[small]", "models.large=null"])
    assert set(loaded.sweep.models) == {"small"}


def test_null_on_the_command_line_takes_a_paired_axis_away(tiny_sweep: Path) -> None:
    paired = "  zip: [{group_size: [4, 8], prompts_per_step: [8, 16]}]\n"
    tiny_sweep.write_text(tiny_sweep.read_text().replace("budgets:", f"{paired}budgets:"))
    trials = load_sweep(tiny_sweep, ["group_size=null", "seed=[1]", "model=[small]"]).trials
    assert [trial.axes for trial in trials] == [
        {"model": "small", "seed": 1, "prompts_per_step": 8}, {"model": "small", "seed": 1, "prompts_per_step": 16},
    ]  # fmt: skip
    with pytest.raises(InvalidSweep, match=r"prompts_per_step is the only axis of its group; give all of axes\.zip"):
        load_sweep(tiny_sweep, ["group_size=null", "prompts_per_step=null"])


@pytest.mark.parametrize("name", ["axes.grid.tau", "models.huge"])
def test_null_on_the_command_line_for_what_is_not_there_is_refused(tiny_sweep: Path, name: str) -> None:
    with pytest.raises(InvalidSweep, match=f"null takes away what the file has, and it has no {name}"):
        load_sweep(tiny_sweep, [f"{name}=null"])


def test_an_axis_that_one_file_takes_away_may_be_given_by_another(tiny_sweep: Path) -> None:
    file = child(tiny_sweep, "axes: {grid: {seed: null}}\n")
    grandchild = file.parent / "grandchild.yaml"
    grandchild.write_text("extends: child.yaml\naxes: {grid: {seed: [7]}, exclude: [{seed: 8}]}\n")
    with pytest.raises(InvalidSweep, match=r"grandchild\.yaml:2:44: axes\.exclude\[0\]\.seed: no trial has seed 8"):
        load_sweep(grandchild)


def test_null_where_there_is_no_such_axis_is_refused(tiny_sweep: Path) -> None:
    with pytest.raises(InvalidSweep, match=r"child\.yaml:2:24: axes\.grid\.tau: found nothing, expected a list"):
        load_sweep(child(tiny_sweep, "axes: {grid: {tau:     null}}\n"))


PROMPTS = """
base:
  data: {task: null, train: org/prompts, revision: abc, file: one.parquet, total_prompts: 64}
"""


@pytest.mark.parametrize("place", ["other/prompts", "prompts.parquet"])
def test_the_revision_of_another_place_gives_way(tiny_sweep: Path, place: str) -> None:
    (tiny_sweep.parent / "prompts.parquet").touch()
    place = str(tiny_sweep.parent / place) if place.endswith("parquet") else place
    file = child(tiny_sweep, PROMPTS.replace("task: null, ", ""))
    tiny_sweep.write_text(
        tiny_sweep.read_text().replace("data: {task: affine-lookup, heldout_problems: 60}", "data: {}")
    )
    data = load_sweep(file, [f"data.train={place}"]).trials[0].spec.data
    assert (data.train, data.revision, data.file) == (place, None, None)
    kept = load_sweep(file, [f"data.train={place}", "data.file=two.parquet"]).trials[0].spec.data
    assert kept.file == "two.parquet"


def test_the_revision_of_the_same_data_set_stays(tiny_sweep: Path) -> None:
    tiny_sweep.write_text(
        tiny_sweep.read_text().replace(
            "data: {task: affine-lookup, heldout_problems: 60}", "data: {train: org/prompts, revision: abc}"
        )
    )
    again = child(tiny_sweep, "base: {data: {train: org/prompts, total_prompts: 64}}\n")
    assert load_sweep(again).trials[0].spec.data.revision == "abc"
    assert load_sweep(tiny_sweep, ["data.train=org/prompts"]).trials[0].spec.data.revision == "abc"


def test_a_revision_and_another_data_set_may_be_given_in_any_order(tiny_sweep: Path) -> None:
    given = ["data={train: org/prompts}", "data.revision=abc", "data.train=org/others"]
    assert load_sweep(tiny_sweep, given).trials[0].spec.data.revision == "abc"


def test_the_revision_of_another_model_gives_way(tiny_sweep: Path) -> None:
    folder = tiny_sweep.parent / "weights"
    folder.mkdir()
    models = "models: {hub: {source: org/m, revision: abc}}\nbase: {model: hub}\naxes: {grid: {model: null}}\n"
    file = child(tiny_sweep, models)
    assert load_sweep(file).trials[0].spec.model.revision == "abc"
    model = load_sweep(file, [f"models.hub.source={folder}"]).trials[0].spec.model
    assert (model.source, model.revision) == (str(folder), None)
    with pytest.raises(InvalidSweep, match="`revision` means nothing beside a folder"):
        load_sweep(file, [f"models.hub.source={folder}", "models.hub.revision=abc"])
