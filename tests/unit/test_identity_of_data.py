"""Prompts given by a path are what is in the files, wherever they lie."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from db.errors import SpecError
from orchestrator.identified import identified
from orchestrator.sweepfile.identity import science, science_hash
from orchestrator.sweepfile.loading import load_sweep
from orchestrator.sweepfile.problems import InvalidSweep
from tests.unit.test_presets import STUDY
from workers.spec import IdentifiedData, TrialSpec


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def spec_of(folder: Path, train: str, *overrides: str) -> TrialSpec:
    file = folder / "study.yaml"
    file.write_text(STUDY.replace("someone/prompts", train))
    (trial,) = identified(load_sweep(file, overrides)).trials
    return trial.spec


def test_a_moved_file_is_the_same_data_and_a_changed_one_is_another(tmp_path: Path) -> None:
    here, there = tmp_path / "a_train.parquet", tmp_path / "elsewhere" / "b.parquet"
    here.write_bytes(b"rows")
    before = science_hash(spec_of(tmp_path, str(here)))
    there.parent.mkdir()
    shutil.move(here, there)
    assert science_hash(spec_of(tmp_path, "./elsewhere/b.parquet")) == before
    assert science_hash(spec_of(tmp_path, str(there.parent))) == before
    there.write_bytes(b"others")
    assert science_hash(spec_of(tmp_path, str(there))) != before


def test_the_files_of_a_folder_count_in_their_order(tmp_path: Path) -> None:
    for folder, contents in {"one": (b"1", b"2"), "other": (b"2", b"1")}.items():
        (tmp_path / folder).mkdir()
        for number, content in enumerate(contents):
            (tmp_path / folder / f"train-{number}.parquet").write_bytes(content)
    one, other = spec_of(tmp_path, "./one"), spec_of(tmp_path, "./other")
    assert science_hash(one) != science_hash(other)
    assert science_hash(spec_of(tmp_path, "./one", "data.file=train-0.parquet")) != science_hash(one)


def test_identified_data_keeps_its_path_and_survives_its_journey_through_json(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"rows")
    spec = spec_of(tmp_path, "./x.parquet")
    assert spec.data.train == str(tmp_path / "x.parquet")
    again = TrialSpec.model_validate(spec.model_dump(mode="json"))
    assert isinstance(again.data, IdentifiedData)
    assert again == spec
    assert science_hash(again) == science_hash(spec)
    assert "train" not in science(spec)["data"]


def test_held_out_problems_of_a_file_are_its_content_where_prompts_near_them_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "h.parquet").write_bytes(b"problems")
    shutil.copy(tmp_path / "h.parquet", tmp_path / "copy.parquet")
    dropping = "data.drop_near_duplicates=true"
    one = spec_of(tmp_path, "someone/prompts", f"data.heldout={tmp_path}/h.parquet", dropping)
    copy = spec_of(tmp_path, "someone/prompts", f"data.heldout={tmp_path}/copy.parquet", dropping)
    assert science_hash(one) == science_hash(copy)
    (tmp_path / "copy.parquet").write_bytes(b"others")
    other = spec_of(tmp_path, "someone/prompts", f"data.heldout={tmp_path}/copy.parquet", dropping)
    assert science_hash(one) != science_hash(other)


def test_two_files_with_the_same_prompts_are_not_two_trials(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.parquet").write_bytes(b"rows")
    file = tmp_path / "study.yaml"
    file.write_text(STUDY + "axes: {grid: {data.train: [./a.parquet, ./b.parquet]}}\n")
    with pytest.raises(SpecError, match=r"are the same trial: .*a.parquet and .*b.parquet hold the same prompts"):
        identified(load_sweep(file))


@pytest.mark.parametrize("name", ["train", "heldout"])
@pytest.mark.parametrize("place", ["./nowhere.parquet", "/no/such.parquet", "nowhere.parquet", "a/b/c", ""])
def test_prompts_that_are_nowhere_are_refused(tmp_path: Path, name: str, place: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    with pytest.raises(InvalidSweep, match=rf"data\.{name}: `{name}`: found '.*'"):
        load_sweep(file, [f'data.{name}="{place}"'])


def test_a_hub_data_set_is_its_name_whatever_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = science_hash(spec_of(tmp_path, "someone/prompts"))
    (tmp_path / "someone" / "prompts").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert science_hash(spec_of(tmp_path, "someone/prompts")) == before
