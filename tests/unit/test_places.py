"""Paths are taken from the file that says them, and a name on the hub is never a folder that happens to be here."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sweepfile.loading import LoadedSweep, load_sweep
from orchestrator.sweepfile.problems import InvalidSweep
from tests.unit.test_presets import STUDY

ONE_MODEL = "model: Qwen/Qwen2.5-7B"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep file in a folder of its own with a model beside it; the working folder is another one."""
    (tmp_path / "here").mkdir()
    (tmp_path / "sweeps" / "m").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "sweeps" / "study.yaml"


def sources(loaded: LoadedSweep) -> list[str | None]:
    return [trial.spec.model.source for trial in loaded.trials]


@pytest.mark.parametrize(
    "text",
    [
        STUDY.replace(ONE_MODEL, "model: ./m"),
        STUDY.replace(ONE_MODEL, "model: ../sweeps/m"),
        STUDY.replace(ONE_MODEL, "model: m") + "models: {m: {source: ./m}}\n",
        STUDY + "axes: {grid: {model: [./m]}}\n",
        STUDY + "axes: {zip: [{model: [./m], seed: [1]}]}\n",
        STUDY + "axes: {grid: {seed: [1]}, when: [{if: {seed: 1}, set: {model: ./m}}]}\n",
        STUDY.replace(ONE_MODEL, "model: ./m") + "resources: [{if: {model: ./m}, gpus: 3}]\n",
    ],
    ids=["base", "up", "models", "grid", "zip", "when", "resources"],
)
def test_a_path_is_taken_from_the_folder_of_its_file(study: Path, text: str) -> None:
    study.write_text(text)
    (source,) = sources(load_sweep(study))
    assert source is not None
    assert Path(source).is_absolute()
    assert Path(source).resolve() == (study.parent / "m").resolve()


def test_a_condition_on_a_path_holds(study: Path) -> None:
    study.write_text(STUDY.replace(ONE_MODEL, "model: ./m") + "resources: [{if: {model: ./m}, gpus: 3}, {gpus: 1}]\n")
    assert [trial.spec.execution.gpus for trial in load_sweep(study).trials] == [3]


def test_a_path_of_an_extended_file_is_taken_from_that_file(study: Path) -> None:
    study.write_text(STUDY.replace(ONE_MODEL, "model: ./m"))
    child = study.parent.parent / "child.yaml"
    child.write_text("extends: sweeps/study.yaml\nname: child\n")
    assert sources(load_sweep(child)) == [str(study.parent / "m")]


def test_a_path_on_the_command_line_is_taken_from_here(study: Path) -> None:
    study.write_text(STUDY)
    Path("mine").mkdir()
    assert sources(load_sweep(study, ["base.model=./mine"])) == [str(Path("mine").absolute())]


def test_a_folder_never_takes_the_place_of_a_name_on_the_hub(study: Path) -> None:
    study.write_text(STUDY)
    for folder in (Path(), study.parent):
        (folder / "Qwen" / "Qwen2.5-7B").mkdir(parents=True)
    (trial,) = load_sweep(study).trials
    assert trial.spec.model.source == "Qwen/Qwen2.5-7B"
    assert trial.spec.model.folder is None


@pytest.mark.parametrize("name", ["m", "a/b/c"])
def test_what_is_neither_a_path_nor_a_name_on_the_hub_is_refused(study: Path, name: str) -> None:
    study.write_text(STUDY.replace(ONE_MODEL, f"model: {name}"))
    with pytest.raises(InvalidSweep, match=r"a hub id such as org/name, or a path such as \./name"):
        load_sweep(study)


def test_a_preset_gives_way_to_a_task(study: Path) -> None:
    study.write_text(
        STUDY.replace("data: {train: someone/prompts, total_prompts: 51200}", "data: {task: affine-lookup}")
    )
    (trial,) = load_sweep(study).trials
    assert trial.spec.data.rewards == "fixed"
    assert trial.spec.algorithm.dual_clip == 3.0
    with pytest.raises(InvalidSweep, match="`rewards` means nothing beside `task`"):
        load_sweep(study, ["data.rewards=paper"])
