"""A model given by a path is what is in the folder: weights, configuration, tokenizer and chat template."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from db.errors import EnvironmentProblem, SpecError
from orchestrator.identified import identified
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.loading import load_sweep
from tests.unit.test_presets import STUDY
from workers.models.model_store import prepare_base_model
from workers.spec import Data, TrialSpec


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def model_folder(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(content)
    (folder / "config.json").write_text('{"rope_theta": 10000.0}')
    return folder


def spec_of(file: Path, model: Path) -> TrialSpec:
    file.write_text(STUDY.replace("Qwen/Qwen2.5-7B", str(model)))
    (trial,) = identified(load_sweep(file)).trials
    return trial.spec


def identity(file: Path, model: Path) -> str:
    return science_hash(spec_of(file, model))


def test_a_moved_model_is_the_same_trial_and_changed_weights_are_another(tmp_path: Path) -> None:
    file, here = tmp_path / "study.yaml", model_folder(tmp_path / "here")
    before = identity(file, here)
    assert identity(file, Path(shutil.move(here, tmp_path / "there"))) == before
    (tmp_path / "there" / "model.safetensors").write_bytes(b"WEIGHTS")
    assert identity(file, tmp_path / "there") != before


@pytest.mark.parametrize(
    "name",
    ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
     "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja", "additional_chat_templates/rag.jinja"],
)  # fmt: skip
def test_what_else_changes_a_models_answers_is_part_of_it(tmp_path: Path, name: str) -> None:
    file, folder = tmp_path / "study.yaml", model_folder(tmp_path / "m")
    before = identity(file, folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text('{"rope_theta": 1000000.0}')
    assert identity(file, folder) != before


@pytest.mark.parametrize("name", ["README.md", ".gitattributes", "trainer_state.json", "original/config.json"])
def test_what_is_not_loaded_is_no_part_of_it(tmp_path: Path, name: str) -> None:
    file, folder = tmp_path / "study.yaml", model_folder(tmp_path / "m")
    before = identity(file, folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("anything")
    assert identity(file, folder) == before


def test_a_trial_refuses_a_folder_whose_tokenizer_was_replaced_since(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m")
    model = spec_of(tmp_path / "study.yaml", folder).model
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(SpecError, match="are not those that this trial was submitted with"):
        prepare_base_model(model, Data(train="organisation/prompts"), seed=0, models_folder=tmp_path / "models")


def test_the_cache_knows_a_file_by_its_size_and_time_and_may_be_damaged(tmp_path: Path, cache: Path) -> None:
    file, folder = tmp_path / "study.yaml", model_folder(tmp_path / "m")
    before = identity(file, folder)
    (kept,) = (cache / "rlsweep").iterdir()
    assert str(folder / "model.safetensors") in next(iter(json.loads(kept.read_text())))
    kept.write_text("{")
    assert identity(file, folder) == before


def test_two_folders_with_the_same_model_are_not_two_trials(tmp_path: Path) -> None:
    one, other = model_folder(tmp_path / "one"), model_folder(tmp_path / "other")
    file = tmp_path / "study.yaml"
    file.write_text(STUDY + f"axes: {{grid: {{model: [{one}, {other}]}}}}\n")
    with pytest.raises(SpecError, match=r"are the same trial: the folders .* hold the same model"):
        identified(load_sweep(file))


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EnvironmentProblem, match="holds no safetensors weights"):
        identity(tmp_path / "study.yaml", tmp_path / "empty")
