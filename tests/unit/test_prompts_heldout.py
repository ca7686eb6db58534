"""Where held-out problems are, and where there are none."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from db.errors import SpecError
from tests.unit.test_prompts_rows import row, written
from workers.prompts.heldout import check_content, content_sha256, heldout_set, reason_against_heldout
from workers.spec import Data, IdentifiedData


def problem(number: int, split: str = "test") -> dict[str, Any]:
    return row(number, extra_info={"split": split})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path, [problem(1, "train"), problem(2, "train")], name="maths_train_2.parquet")
    written(tmp_path, [problem(3)], name="maths_test_1.parquet")
    return tmp_path


def answers(data: Data) -> list[str]:
    return [each.answer for each in heldout_set(data)]


def test_they_are_where_heldout_says(folder: Path) -> None:
    other = written(folder, [problem(4), problem(5)], name="mine.parquet")
    assert answers(Data(train="someone/maths", heldout=str(other))) == ["5", "6"]
    assert answers(Data(train=str(folder / "maths_train_2.parquet"), heldout=str(folder))) == ["4"]


def test_without_heldout_they_are_the_files_for_testing_beside_the_training_files(folder: Path) -> None:
    data = Data(train=str(folder))
    assert reason_against_heldout(data) is None
    assert answers(data) == ["4"]
    assert answers(Data(train=str(folder), file="maths_train_2.parquet")) == ["4"]


@pytest.mark.parametrize("place", ["maths_train_2.parquet", ""])
def test_beside_a_single_file_nothing_is_held_out(folder: Path, place: str) -> None:
    (folder / "maths_test_1.parquet").unlink()
    data = Data(train=str(folder / place))
    reason = reason_against_heldout(data)
    assert reason is not None
    assert "take `benchmark: heldout` out of evaluations" in reason
    with pytest.raises(SpecError, match=r"nothing is held out: data\.train is .*, and data\.heldout is not given"):
        heldout_set(data)


def test_what_is_trained_on_is_never_held_out(tmp_path: Path) -> None:
    written(tmp_path, [problem(1)], name="train_and_test.parquet")
    written(tmp_path, [problem(2)], name="notes.parquet")
    with pytest.raises(SpecError, match="nothing is held out"):
        heldout_set(Data(train=str(tmp_path)))


def test_a_folder_without_a_file_for_testing_is_refused_by_name(folder: Path) -> None:
    (folder / "maths_test_1.parquet").rename(folder / "maths_rest.parquet")
    with pytest.raises(SpecError, match=r"no parquet file there has the word `test` in its name .*maths_rest\.parquet"):
        heldout_set(Data(train=str(folder)))


def test_what_a_trial_dropped_prompts_for_is_what_was_submitted(folder: Path) -> None:
    file = folder / "maths_test_1.parquet"
    data = IdentifiedData(
        train="someone/maths",
        heldout=str(file),
        drop_near_duplicates=True,
        heldout_sha256=content_sha256([file], use_cache=False),
    )
    assert answers(data) == ["4"]
    written(folder, [problem(9)], name="maths_test_1.parquet")
    with pytest.raises(SpecError, match=r"data\.heldout: .*maths_test_1\.parquet has changed since"):
        heldout_set(data)


def test_content_is_known_wherever_it_lies_and_in_which_order(folder: Path) -> None:
    files = sorted(folder.glob("*.parquet"))
    copies = [Path(shutil.copy(file, folder / f"copy-{number}")) for number, file in enumerate(files)]
    submitted = content_sha256(files, use_cache=False)
    check_content(copies, submitted, name="data.train")
    with pytest.raises(SpecError, match="has changed"):
        check_content(copies[::-1], submitted, name="data.train")
