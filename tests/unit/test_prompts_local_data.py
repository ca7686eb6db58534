"""What a plan can tell of prompt files on this machine without reading a row."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.planning.local_data import LocalData, local_data_facts
from tests.unit.test_prompts_rows import row, written
from workers.spec import Data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written(tmp_path, [row(number) for number in range(10)], name="maths_train.parquet")
    written(tmp_path, [row(number) for number in range(3)], name="maths_test.parquet")
    return tmp_path


def facts(folder: Path, *, last_prompts: int | None = None, **given: Any) -> LocalData:
    return local_data_facts(Data(train=str(folder), **given), last_prompts=last_prompts)


def test_rows_and_heldout_problems_are_counted(folder: Path) -> None:
    assert facts(folder) == LocalData(rows=10, heldout_rows=3)


def test_of_a_task_and_of_the_hub_only_what_is_here_is_known(folder: Path) -> None:
    assert local_data_facts(Data(task="affine-lookup", heldout_problems=60)) == LocalData(heldout_rows=60)
    hub = Data(train="someone/maths", heldout=str(folder / "maths_test.parquet"))
    assert local_data_facts(hub) == LocalData(heldout_rows=3)
    assert local_data_facts(Data(train="someone/maths")) == LocalData()


def test_a_single_file_holds_nothing_out(folder: Path) -> None:
    found = local_data_facts(Data(train=str(folder / "maths_train.parquet")))
    assert (found.rows, found.heldout_rows, found.errors) == (10, None, ())
    assert found.no_heldout is not None
    assert "nothing is held out" in found.no_heldout


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"total_prompts": 12}, "data.total_prompts is 12, and {folder} has 10 rows; ask for fewer"),
        ({"total_prompts": "budget", "last_prompts": 11}, "data.total_prompts is 11, and {folder} has 10 rows"),
        ({"file": "other.parquet"}, "there is no parquet file 'other.parquet' there"),
        ({"heldout": "./nowhere"}, "there is no file or folder './nowhere'"),
    ],
)
def test_what_would_fail_is_told(folder: Path, given: dict[str, Any], error: str) -> None:
    (told,) = facts(folder, **given).errors
    assert error.format(folder=folder) in told


def test_missing_columns_are_told_without_reading_a_row(tmp_path: Path) -> None:
    rows = {"prompt": ["?"], "data_source": ["maths"], "reward_model": [{"answer": "7"}]}
    pd.DataFrame(rows).to_parquet(tmp_path / "x.parquet")
    (told,) = facts(tmp_path / "x.parquet").errors
    assert told.startswith(f"{tmp_path}/x.parquet has no column reward_model.ground_truth; prompts need data_source")


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("question,answer\n")
    (told,) = facts(tmp_path / "x.parquet").errors
    assert "cannot be read as a parquet file" in told


def test_rows_without_pass_rates_and_pools_without_spare_rows_are_worth_a_word(tmp_path: Path) -> None:
    bare = [row(number, extra_info={"split": "train"}) for number in range(10)]
    written(tmp_path, bare, name="train.parquet")
    first, second = facts(tmp_path / "train.parquet", total_prompts=10, sources=("maths",)).cautions
    assert "has no pass rates (qwen2.5_7b_pass_rate): prompts are taken in the order of the file" in first
    assert "10 rows for data.total_prompts 10, before other sources and prompts of more than 2,048 tokens" in second


def test_a_pass_rate_in_a_column_of_its_own_is_one(tmp_path: Path) -> None:
    own = [row(extra_info={"split": "train"}) | {"qwen2.5_7b_pass_rate": 0.5}]
    assert facts(written(tmp_path, own)).cautions == ()
