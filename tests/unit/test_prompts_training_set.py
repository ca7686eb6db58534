"""From a specification to what a trial is trained on: what each stage does, in which order, and what is refused."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from db.errors import SpecError
from tests.unit.test_prompts_rows import row, written
from workers.prompts import Prompt
from workers.prompts.curriculum import load_curriculum
from workers.prompts.heldout import content_sha256, heldout_set
from workers.prompts.inspection import TAUS, inspect
from workers.prompts.lengths import CountTokens
from workers.prompts.source import PromptSource
from workers.prompts.training_set import Kept, TrainingSet, training_set
from workers.spec import Data, IdentifiedData

LONG = " very" * 60
TRIANGLE = "In triangle ABC the sides AB and AC are 8 and 10 long, and the angle between them is right. How long is BC?"


def letters(chat: list[dict[str, str]]) -> int:
    return sum(len(message["content"]) for message in chat)


def words(chat: list[dict[str, str]]) -> int:
    return sum(len(message["content"].split()) for message in chat)


def asked(text: str, *, source: str = "math__x", rate: float | None = 0.5, split: str = "train") -> dict[str, Any]:
    return row(
        prompt=[{"role": "user", "content": text}],
        data_source=source,
        extra_info={"split": split, "qwen2.5_7b_pass_rate": rate},
    )


def built(folder: Path, rows: list[dict[str, Any]], **given: Any) -> TrainingSet:
    data = Data(train=str(written(folder, rows, name="train.parquet")), **given)
    return training_set(data, last_prompts=None, count_tokens=letters)


def texts(prompts: TrainingSet) -> list[str]:
    return [prompt.text for prompt in prompts.curriculum.prompts]


def test_each_condition_is_applied_in_order_and_counted(tmp_path: Path) -> None:
    heldout = written(tmp_path, [asked(TRIANGLE, split="test")], name="heldout.parquet")
    rows = [
        asked("hard", rate=0.0),
        asked("easy", rate=1.0),
        asked("code", source="stem__web", rate=1.0),
        asked(f"3. {TRIANGLE}", rate=0.9),
        asked(f"long{LONG}", rate=0.8),
        asked("middle", rate=0.5),
        asked("unknown", rate=None),
    ]
    made = built(
        tmp_path, rows, sources=("math",), heldout=str(heldout), drop_near_duplicates=True, max_prompt_tokens=200,
        total_prompts=3,
    )  # fmt: skip

    assert texts(made) == ["easy", "middle", "hard"]
    assert made.kept == Kept(rows=7, of_sources=6, near_duplicates=1, too_long=1)
    assert made.kept.left == 4
    assert (made.pool, made.tau, made.realised_tau) == (3, 1, 1.0)


def test_without_a_pool_size_all_rows_are_trained_on(tmp_path: Path) -> None:
    made = built(tmp_path, [asked("a"), asked("b"), asked("c")])
    assert (texts(made), made.pool) == (["a", "b", "c"], 3)


def test_a_pool_of_the_budget_is_as_large_as_the_last_budget(tmp_path: Path) -> None:
    data = Data(
        train=str(written(tmp_path, [asked(str(number)) for number in range(8)])), total_prompts="budget", tau=2
    )
    made = training_set(data, last_prompts=6, count_tokens=letters)
    assert (made.pool, len(made), made.realised_tau) == (6, 3, 2.0)
    with pytest.raises(SpecError, match="total_prompts is `budget`, and the last budget is not known in prompts"):
        training_set(data, last_prompts=None, count_tokens=letters)


def test_realised_tau_counts_a_problem_that_comes_twice_and_a_budget_beyond_the_pool(tmp_path: Path) -> None:
    data = Data(train=str(written(tmp_path, [asked("a"), asked("a"), asked("b")])))
    assert training_set(data, last_prompts=None, count_tokens=letters).realised_tau == 1.5
    assert training_set(data, last_prompts=12, count_tokens=letters).realised_tau == 6.0


def test_exposure_is_what_is_drawn_until_then(tmp_path: Path) -> None:
    made = built(tmp_path, [asked(str(number)) for number in range(6)], total_prompts=6, tau=2)
    drawn = Counter(prompt.row_sha256 for prompt in made.draws(7))
    exposure = list(made.exposure(7))
    assert {each.row_sha256: each.times for each in exposure} == dict(drawn)
    assert [each.index for each in exposure] == [prompt.index for prompt in made.curriculum.prompts]


def test_the_record_names_every_row_in_order(tmp_path: Path) -> None:
    made = built(tmp_path, [asked("a"), asked("b")])
    record = made.record(Data(train="someone/maths", revision="v1"))
    assert (record.name, record.revision, record.sha256) == ("someone/maths", "v1", made.sha256)
    assert (record.num_problems, record.unique_prompts) == (2, 2)
    assert record.problem_sha256s == tuple(prompt.row_sha256 for prompt in made.curriculum.prompts)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"total_prompts": 3}, r"total_prompts is 3, and .*train\.parquet has 2 prompts; ask for fewer"),
        (
            {"total_prompts": 2, "max_prompt_tokens": 200},
            r"has 1 prompts: 2 rows, less 1 of more than 200 tokens; ask for fewer",
        ),
        ({"sources": ("stem", "logic")}, r"sources is stem, logic, and no row's data_source starts so; .*: math__x$"),
        ({"max_prompt_tokens": 3}, "each of the 2 prompts is longer than 3 tokens"),
    ],
)
def test_too_few_prompts_are_refused_with_what_became_of_them(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        built(tmp_path, [asked("short"), asked(f"long{LONG}")], **given)


def test_a_file_that_is_nothing_but_heldout_problems_is_refused(tmp_path: Path) -> None:
    heldout = written(tmp_path, [asked(TRIANGLE, split="test")], name="heldout.parquet")
    with pytest.raises(SpecError, match=r"every row of .*train\.parquet is nearly a held-out problem"):
        built(tmp_path, [asked(TRIANGLE)], heldout=str(heldout), drop_near_duplicates=True)


def test_files_are_trained_on_only_as_they_were_submitted(tmp_path: Path) -> None:
    file = written(tmp_path, [asked("a"), asked("b")])
    data = IdentifiedData(train=str(file), train_sha256=content_sha256([file], use_cache=False))
    assert len(training_set(data, last_prompts=None, count_tokens=letters)) == 2

    written(tmp_path, [asked("a"), asked("c")])
    with pytest.raises(SpecError, match=r"data\.train: .*x\.parquet has changed since the trial was submitted"):
        training_set(data, last_prompts=None, count_tokens=letters)


# The study's own files.


@pytest.fixture(scope="module")
def folder() -> Path:
    folder = os.environ.get("RLSWEEP_GURU_DATA")
    if not folder:
        pytest.skip("RLSWEEP_GURU_DATA does not name a folder with math_curriculum and math_curriculum_sampled")
    return Path(folder)


@pytest.fixture(scope="module")
def study(folder: Path) -> Data:
    return Data(
        train=f"{folder}/math_curriculum_sampled",
        file="math__sampled_1_4_12800.parquet",
        heldout=f"{folder}/math_curriculum",
        total_prompts=12_800,
    )


def test_a_published_slice_is_trained_on_row_for_row(folder: Path, study: Data) -> None:
    made = training_set(study, last_prompts=51_200, count_tokens=words)
    published = load_curriculum(PromptSource(study.train or "", file=study.file))
    assert made.curriculum == published
    assert (made.sha256, made.realised_tau) == (published.sha256, 4.0)
    assert {each.times for each in made.exposure(51_200)} == {4}


def test_near_duplicates_of_the_studys_heldout_problems_are_dropped_before_the_pool_is_taken(study: Data) -> None:
    clean = study.model_copy(update={"drop_near_duplicates": True, "total_prompts": 12_500, "tau": 5})
    made = training_set(clean, last_prompts=None, count_tokens=words)
    assert (made.kept.rows, made.kept.near_duplicates, made.pool, len(made)) == (12_800, 35, 12_500, 2_500)
    with pytest.raises(SpecError, match="12,765 prompts: 12,800 rows, less 35 that are nearly held-out problems"):
        training_set(clean.model_copy(update={"total_prompts": 12_800}), last_prompts=None, count_tokens=words)


def test_the_studys_largest_slice_holds_what_was_published(study: Data) -> None:
    seen = inspect(study)
    assert (seen.easy, seen.hard, seen.unknown, seen.repeated) == (2888, 9912, 0, 0)
    assert {each.tau: each.prompts for each in seen.slices} == {tau: 12_800 // tau for tau in TAUS}
    assert seen.heldout is not None
    assert (seen.heldout.problems, seen.heldout.trained_on) == (500, 0)


@pytest.mark.parametrize(
    ("name", "rows", "begins"),
    [
        ("gsm8k", 1319, "18"),
        ("math__math_500", 500, "\\left( 3, \\frac{\\pi}{2} \\right)"),
        ("aime2024", 30, "204"),
        ("amc2023", 40, "27"),
        ("codegen__humaneval_164", 164, '{"functional": "'),
        ("logic__zebra_puzzle_dataset_200", 200, '{"header": ["'),
        ("stem__supergpqa_200", 200, "I"),
    ],
)
def test_every_benchmark_of_the_study_is_read_with_its_answers_as_text(
    folder: Path, name: str, rows: int, begins: str
) -> None:
    problems = heldout_set(Data(train="someone/else", heldout=f"{folder}/online_eval/{name}.parquet"))
    assert len(problems) == rows
    assert problems[0].answer.startswith(begins)
    assert all(isinstance(each, Prompt) and each.pass_rate is None for each in problems)


def test_the_count_of_tokens_is_asked_for_the_whole_chat(tmp_path: Path) -> None:
    chats: list[list[dict[str, str]]] = []

    def counting(chat: list[dict[str, str]]) -> int:
        chats.append(chat)
        return 1

    count: CountTokens = counting
    data = Data(train=str(written(tmp_path, [asked("a")])))
    training_set(data, last_prompts=None, count_tokens=count)
    assert chats == [[{"role": "user", "content": "a"}]]
