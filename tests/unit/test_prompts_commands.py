"""`rlsweep data`: what it prints for people, for programs and as CSV."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from db.errors import SpecError
from orchestrator.cli import app
from tests.unit.test_prompts_rows import row, written
from tests.unit.test_prompts_training_set import TRIANGLE, asked

SWEEP = """
name: mine
question: Does it learn?
models: {tiny: {source: organisation/tiny}}
base:
  model: tiny
  data: {train: ./prompts, total_prompts: 8}
  prompts_per_step: 2
  group_size: 2
  optimizer: {learning_rate: 1.0e-5}
  generation: {max_completion_tokens: 4}
axes: {grid: {tau: [1, 4], seed: [0, 1]}}
budgets: {unit: samples, at: [8]}
evaluations: [{benchmark: heldout, method: sampled, samples: 1}]
"""


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["data", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def answered(*arguments: str) -> Any:
    return json.loads(said(*arguments, "--json"))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    folder = tmp_path / "prompts"
    folder.mkdir()
    rates = [0.9, 0.9, 0.4, 0.4, 0.1, 0.0, None]
    rows = [asked(f"Problem {number}", rate=rate) for number, rate in enumerate(rates)]
    written(folder, [*rows, asked(TRIANGLE, source="stem__web")], name="my_train.parquet")
    heldout = [asked(TRIANGLE.upper(), split="test"), asked("Problem 1", split="test")]
    written(folder, heldout, name="my_test.parquet")
    return folder


def test_a_file_is_counted(prompts: Path) -> None:
    text = said("inspect", f"{prompts}/my_train.parquet", "--heldout", str(prompts))
    for line in (
        "my_train.parquet: 8 rows in 1 file",
        "7  math__x",
        "1  stem__web",
        "5 easy (pass rate >= 0.3), 2 hard, 1 without a pass rate",
        "2 problems; 1 of them are trained on to the letter",
        "pool       8 prompts",
    ):
        assert line in text


def test_the_same_is_there_for_programs(prompts: Path) -> None:
    (found,) = answered("inspect", f"{prompts}/my_train.parquet", "--total-prompts", "4")
    assert (found["easy"], found["hard"], found["unknown"], found["pool"]) == (5, 2, 1, 4)
    assert found["pass_rates"]["count"] == 7
    assert (found["tokens"], found["heldout"]) == (None, None)
    assert [(each["tau"], each["prompts"]) for each in found["slices"]] == [(1, 4), (2, 2), (4, 1)]


def test_a_sweeps_data_are_counted_once_for_all_its_slices(prompts: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SWEEP)
    (found,) = answered("inspect", str(tmp_path / "mine.yaml"))
    assert [(each["tau"], each["prompts"], each["easy"]) for each in found["slices"]] == [(1, 8, 5), (4, 2, 1)]
    assert found["heldout"]["problems"] == 2


def test_a_sweep_of_a_task_has_no_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SWEEP.replace("{train: ./prompts, total_prompts: 8}", "{task: affine-lookup}"
        ).replace("tau: [1, 4], ", ""))  # fmt: skip
    with pytest.raises(SpecError, match="the data is the task affine-lookup, which is made here"):
        said("inspect", str(tmp_path / "mine.yaml"))


def test_on_the_command_line_a_parquet_file_needs_no_dot(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prompts)
    assert "8 rows" in said("inspect", "my_train.parquet")


def test_what_is_odd_is_noted(tmp_path: Path) -> None:
    quoted = asked(str([{"content": "Write f", "role": "user"}]), rate=None)
    other = row(5, prompt=quoted["prompt"], extra_info=quoted["extra_info"])
    text = said("inspect", str(written(tmp_path, [quoted, other])))
    assert "1 row with the prompt of an earlier one, 1 of them with another answer" in text
    assert "2 prompts that are the text of a Python list of messages" in text
    assert "there is no pass rate: prompts are taken in the order of the file" in text


def test_near_duplicates_are_listed_with_both_texts(prompts: Path, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    text = said("near-duplicates", f"{prompts}/my_train.parquet", "--heldout", str(prompts), "-o", str(file))
    assert "2 of 2 held-out problems are nearly the same as 2 training rows (similarity >= 0.8); 2 of them" in text
    assert "In triangle ABC the sides AB" in text
    with file.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(each["training_index"], each["heldout_index"]) for each in rows] == [("1", "1"), ("7", "0")]
    assert rows[1]["training_text"] == TRIANGLE

    found = answered("near-duplicates", f"{prompts}/my_train.parquet", "--heldout", str(prompts))
    assert (found["near_duplicates"], found["same_letters"], len(found["pairs"])) == (2, 2, 2)


def test_a_report_that_cannot_be_written_is_told(prompts: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"cannot write .*pairs\.csv: No such file or directory"):
        said(
            "near-duplicates", f"{prompts}/my_train.parquet", "--heldout", str(prompts),
            "-o", str(tmp_path / "nowhere" / "pairs.csv"),
        )  # fmt: skip


def test_tokens_are_counted_with_a_models_tokenizer(prompts: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    template = "{% for m in messages %}user {{ m.content }} {% endfor %}{% if add_generation_prompt %}go{% endif %}"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?", chat_template=template)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    (found,) = answered("inspect", f"{prompts}/my_train.parquet", "--tokenizer", str(tmp_path / "tokenizer"))
    assert found["tokens"]["least"] == 4  # user, Problem, its number, go
    assert found["kept"]["too_long"] == 0
    with pytest.raises(SpecError, match=r"there is no tokenizer in .*prompts .*; name a model's folder"):
        said("inspect", f"{prompts}/my_train.parquet", "--tokenizer", str(prompts))


def test_the_studys_largest_published_slice_states_34_heldout_problems() -> None:
    folder = os.environ.get("RLSWEEP_GURU_DATA")
    if not folder:
        pytest.skip("RLSWEEP_GURU_DATA does not name a folder with math_curriculum and math_curriculum_sampled")
    train = f"{folder}/math_curriculum_sampled/math__sampled_1_4_12800.parquet"
    found = answered("near-duplicates", train, "--heldout", f"{folder}/math_curriculum")
    counts = ("heldout_problems", "near_duplicates", "same_letters", "training_rows")
    assert [found[name] for name in counts] == [500, 34, 18, 35]
