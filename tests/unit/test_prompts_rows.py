"""Parquet rows become prompts as they stand; one that cannot be used is named, with its file and row."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from db.errors import SpecError
from workers.prompts import Message, Prompt
from workers.prompts.ground_truth import is_quoted, unquoted
from workers.prompts.rows import read_prompts


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "data_source": "maths",
        "prompt": [{"role": "user", "content": f"What is {number} + 1?"}],
        "ability": "maths",
        "reward_model": {"ground_truth": str(number + 1), "style": "rule"},
        "extra_info": {"split": "train", "qwen2.5_7b_pass_rate": 0.5},
    } | changes


def written(
    folder: Path, rows: list[dict[str, Any]], *, name: str = "x.parquet", places: list[int] | None = None
) -> Path:
    pd.DataFrame(rows, index=places).to_parquet(folder / name)
    return folder / name


def test_a_row_becomes_a_prompt(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Think."}, {"role": "user", "content": "What is 7?"}]
    (prompt,) = read_prompts([written(tmp_path, [row(prompt=turns)])], split="train")

    assert prompt.messages == (Message("system", "Think."), Message("user", "What is 7?"))
    assert prompt.chat == turns
    assert (prompt.answer, prompt.data_source, prompt.pass_rate, prompt.index) == ("1", "maths", 0.5, 0)


@pytest.mark.parametrize(
    ("pass_rate", "is_easy"), [(1.0, True), (0.3, True), (0.2999, False), (0.0, False), (None, False)]
)
def test_a_problem_is_easy_from_a_pass_rate_of_three_tenths(
    tmp_path: Path, pass_rate: float | None, is_easy: bool
) -> None:
    rows = [row(extra_info={"qwen2.5_7b_pass_rate": rate}) for rate in (pass_rate, 0.5)]
    prompt, _ = read_prompts([written(tmp_path, rows)], split="train")
    assert (prompt.pass_rate, prompt.is_easy) == (pass_rate, is_easy)


def test_a_pass_rate_that_is_not_a_number_is_missing(tmp_path: Path) -> None:
    (prompt,) = read_prompts(
        [written(tmp_path, [row(extra_info={"qwen2.5_7b_pass_rate": float("nan")})])], split="train"
    )
    assert prompt.pass_rate is None


def test_a_pass_rate_may_have_a_column_of_its_own(tmp_path: Path) -> None:
    own = [row(extra_info={"index": 0}) | {"qwen2.5_7b_pass_rate": rate} for rate in (0.25, None, float("nan"))]
    both = [row() | {"qwen2.5_7b_pass_rate": 0.25}]
    assert [each.pass_rate for each in read_prompts([written(tmp_path, own)], split="train")] == [0.25, None, None]
    assert [each.pass_rate for each in read_prompts([written(tmp_path, both)], split="train")] == [0.5]


def test_only_three_columns_are_needed(tmp_path: Path) -> None:
    bare = {name: value for name, value in row().items() if name in ("data_source", "prompt", "reward_model")}
    (prompt,) = read_prompts([written(tmp_path, [bare])], split="train")
    assert (prompt.answer, prompt.pass_rate, prompt.prefix) == ("1", None, "")


@pytest.mark.parametrize(
    ("data_source", "ground_truth", "answer"),
    [
        ("codegen__leetcode2k", '{"functional": "check(add)"}', '{"functional": "check(add)"}'),
        ("codegen__taco", '{"inputs": ["1"], "outputs": ["2"]}', '{"inputs": ["1"], "outputs": ["2"]}'),
        ("logic__graph_logical_dataset", "vovojl", "vovojl"),
        ("logic__ordering_puzzle_dataset", ["owl", "aigle é"], '["owl", "aigle é"]'),
        ("logic__zebra_puzzle_dataset", {"header": ["P"], "rows": [["1"]]}, '{"header": ["P"], "rows": [["1"]]}'),
        ("simulation__barc", [[1, 2], [3, 4]], "[[1, 2], [3, 4]]"),
        ("stem__web", "2.5 m/s", "2.5 m/s"),
        ("math__deepscaler_preview", ["7"], "7"),
    ],
)
def test_the_answer_is_text_whatever_the_source_keeps(
    tmp_path: Path, data_source: str, ground_truth: object, answer: str
) -> None:
    changed = row(
        data_source=data_source,
        reward_model={"ground_truth": ground_truth},
        apply_chat_template=True,
        extra_info={"split": None, "prefix": "import math"},
    )
    (prompt,) = read_prompts([written(tmp_path, [changed])], split="train")
    assert (prompt.answer, prompt.prefix) == (answer, "import math")


def test_a_prompt_that_is_the_text_of_a_list_of_messages_can_be_undone() -> None:
    turns = [{"content": "Write `f`.\n'x'", "role": "user"}]
    quoted = Prompt((Message("user", str(turns)),), "7", "codegen__humaneval", None, 0)
    plain = Prompt((Message("user", "Write `f`.\n'x'"),), "7", "codegen__humaneval", None, 0)
    assert is_quoted(quoted)
    assert unquoted(quoted) == plain


@pytest.mark.parametrize("content", ["[{", "[{'role': 'user'}]", "[{1: 2}] is a list", "Is [{}] empty?"])
def test_no_other_prompt_is_taken_for_a_quoted_one(content: str) -> None:
    prompt = Prompt((Message("user", content),), "7", "maths", None, 0)
    assert not is_quoted(prompt)
    assert unquoted(prompt) is prompt


@pytest.mark.parametrize("told", ["test", "val", "validation"])
def test_heldout_rows_may_be_called_validation(tmp_path: Path, told: str) -> None:
    file = written(tmp_path, [row(extra_info={"split": told})])
    assert len(read_prompts([file], split="test")) == 1
    with pytest.raises(SpecError, match=f"it belongs to split '{told}', and 'train' is wanted"):
        read_prompts([file], split="train")


def test_parts_of_several_frames_are_counted_on(tmp_path: Path) -> None:
    files = [
        written(tmp_path, [row(1), row(2)], name="a.parquet", places=[3, 9]),
        written(tmp_path, [row(5), row(6)], name="b.parquet", places=[9, 11]),
    ]
    assert [prompt.index for prompt in read_prompts(files, split="train")] == [0, 1, 2, 3]


def test_rows_of_several_files_are_counted_on(tmp_path: Path) -> None:
    files = [written(tmp_path, [row(1), row(2)], name="a.parquet"), written(tmp_path, [row(3)], name="b.parquet")]
    prompts = read_prompts(files, split="train")
    assert [(prompt.answer, prompt.index) for prompt in prompts] == [("2", 0), ("3", 1), ("4", 2)]


def test_the_index_of_a_part_of_a_frame_is_kept(tmp_path: Path) -> None:
    prompts = read_prompts([written(tmp_path, [row(1), row(2)], places=[14, 214])], split="train")
    assert [prompt.index for prompt in prompts] == [14, 214]


def test_files_that_hold_one_row_twice_are_refused(tmp_path: Path) -> None:
    files = [
        written(tmp_path, [row(1), row(2)], name="a.parquet", places=[3, 9]),
        written(tmp_path, [row(2), row(4)], name="b.parquet", places=[9, 11]),
    ]
    with pytest.raises(SpecError, match=r"a\.parquet, .*b\.parquet: the stored index .* so the files overlap"):
        read_prompts(files, split="train")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt": []}, "there is no prompt"),
        ({"prompt": None}, "there is no prompt"),
        ({"prompt": "What is 7?"}, "there is no prompt"),
        ({"prompt": [{"role": "user", "content": " \n"}]}, "there is no prompt"),
        ({"prompt": [{"role": None, "content": "What?"}]}, "there is no prompt"),
        ({"reward_model": {"ground_truth": ""}}, "there is no answer: .* not ''"),
        ({"reward_model": {"style": "rule"}}, "there is no answer: .* not None"),
        ({"reward_model": {"ground_truth": 7}}, "there is no answer: .* not 7"),
        ({"reward_model": {"ground_truth": []}}, r"there is no answer: .* not \[\]"),
        ({"reward_model": {"ground_truth": ["7", "8"]}}, r"there is no answer: .* not \['7', '8'\]"),
        ({"reward_model": {"ground_truth": {"x": "7"}}}, r"there is no answer: .* not \{'x': '7'\}"),
        ({"reward_model": None}, "there is no answer: .* not None"),
        ({"data_source": "codegen__taco"}, r"of codegen__taco must be the tests, a JSON object .* not '1'"),
        ({"apply_chat_template": False}, "`apply_chat_template` is false, and every prompt goes through"),
        ({"extra_info": {"prefix": 3}}, r"`extra_info\.prefix` is 3, and it must be the text"),
        (
            {"qwen2.5_7b_pass_rate": -1, "extra_info": None},
            r"`qwen2\.5_7b_pass_rate` is -1, and it must be from 0 to 1",
        ),
        ({"data_source": None}, "`data_source` is None"),
        ({"extra_info": {"qwen2.5_7b_pass_rate": 62.5}}, r"pass_rate` is 62\.5, and it must be from 0 to 1"),
        ({"extra_info": {"qwen2.5_7b_pass_rate": "0.5"}}, "pass_rate` is '0.5'"),
        ({"extra_info": {"split": "test"}}, "it belongs to split 'test', and 'train' is wanted"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    good = written(tmp_path, [row()], name="a.parquet")
    bad = written(tmp_path, [row(**changes)], name="b.parquet")
    with pytest.raises(SpecError, match=rf"b\.parquet, row 0: .*{message}"):
        read_prompts([good, bad], split="train")


def test_training_rows_are_not_held_out(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="it belongs to split 'train', and 'test' is wanted"):
        read_prompts([written(tmp_path, [row()])], split="test")


def test_missing_columns_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    pd.DataFrame({"question": ["?"], "data_source": ["maths"]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(SpecError, match=r"no column prompt, reward_model; .* has question, data_source"):
        read_prompts([tmp_path / "x.parquet"], split="train")


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    pd.DataFrame([row()]).iloc[:0].to_parquet(tmp_path / "x.parquet")
    with pytest.raises(SpecError, match="there is no row to take a prompt from"):
        read_prompts([tmp_path / "x.parquet"], split="train")


@pytest.mark.parametrize("content", [b"", b"question,answer\n1,2\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(SpecError, match=r"x\.parquet cannot be read as a parquet file \("):
        read_prompts([tmp_path / "x.parquet"], split="train")
