"""A model given by a path is what is in the folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from db.errors import EnvironmentProblem, SpecError
from orchestrator.identified import with_weights
from orchestrator.sweepfile.loading import load_sweep
from tests.unit.test_presets import STUDY


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def model_folder(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(content)
    return folder


def identity(file: Path, model: Path) -> str:
    file.write_text(STUDY.replace("Qwen/Qwen2.5-7B", str(model)))
    (trial,) = with_weights(load_sweep(file)).trials
    return trial.science_hash


def test_a_moved_model_is_the_same_trial_and_changed_weights_are_another(tmp_path: Path) -> None:
    file, here = tmp_path / "study.yaml", model_folder(tmp_path / "here")
    before = identity(file, here)
    assert identity(file, Path(shutil.move(here, tmp_path / "there"))) == before
    (tmp_path / "there" / "model.safetensors").write_bytes(b"WEIGHTS")
    assert identity(file, tmp_path / "there") != before


def test_the_cache_knows_a_file_by_its_size_and_time_and_may_be_damaged(tmp_path: Path, cache: Path) -> None:
    file, folder = tmp_path / "study.yaml", model_folder(tmp_path / "m")
    before = identity(file, folder)
    (kept,) = (cache / "rlsweep").iterdir()
    assert str(folder / "model.safetensors") in kept.read_text()
    kept.write_text("{")
    assert identity(file, folder) == before


def test_two_folders_with_the_same_weights_are_not_two_trials(tmp_path: Path) -> None:
    one, other = model_folder(tmp_path / "one"), model_folder(tmp_path / "other")
    file = tmp_path / "study.yaml"
    file.write_text(STUDY + f"axes: {{grid: {{model: [{one}, {other}]}}}}\n")
    with pytest.raises(SpecError, match=r"are the same trial: the folders .* hold the same weights"):
        with_weights(load_sweep(file))


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EnvironmentProblem, match="holds no safetensors weights"):
        identity(tmp_path / "study.yaml", tmp_path / "empty")
