"""The order of a curriculum, what is drawn from it, and its hash."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import SpecError
from workers.prompts import Message, Prompt
from workers.prompts.curriculum import Curriculum, in_curriculum_order, load_curriculum, load_heldout
from workers.prompts.lengths import without_long_prompts
from workers.prompts.source import PromptSource

RATES = st.lists(st.none() | st.integers(0, 16).map(lambda solved: solved / 16), max_size=60)


def prompt(text: str, *, rate: float | None = 0.5, answer: str = "7", index: int = 0) -> Prompt:
    return Prompt((Message("user", text),), answer, "maths", rate, index)


def curriculum(*texts: str) -> Curriculum:
    return Curriculum(tuple(prompt(text, index=index) for index, text in enumerate(texts)))


def file_of(folder: Path, rates: list[float | None], split: str) -> PromptSource:
    rows = [
        {
            "data_source": "maths",
            "prompt": [{"role": "user", "content": f"Problem {number}"}],
            "reward_model": {"ground_truth": str(number)},
            "extra_info": {"split": split, "qwen2.5_7b_pass_rate": rate},
        }
        for number, rate in enumerate(rates)
    ]
    pd.DataFrame(rows).to_parquet(folder / "rows.parquet")
    return PromptSource(str(folder))


@given(RATES)
def test_prompts_go_from_easy_to_hard_and_ties_keep_their_order(rates: list[float | None]) -> None:
    ordered = in_curriculum_order(prompt("?", rate=rate, index=index) for index, rate in enumerate(rates))

    keys = [(-(each.pass_rate or 0.0), each.index) for each in ordered]
    assert keys == sorted(keys)
    assert sorted(each.index for each in ordered) == list(range(len(rates)))


def test_a_file_is_loaded_in_curriculum_order(tmp_path: Path) -> None:
    loaded = load_curriculum(file_of(tmp_path, [0.0, None, 0.5, 0.25, 0.5], "train"))
    assert [each.index for each in loaded.prompts] == [2, 4, 3, 0, 1]
    assert (len(loaded), loaded.easy_prompts) == (5, 2)


def test_a_file_without_any_pass_rate_keeps_its_order(tmp_path: Path) -> None:
    loaded = load_curriculum(file_of(tmp_path, [None, None, None], "train"))
    assert [each.index for each in loaded.prompts] == [0, 1, 2]
    assert loaded.easy_prompts == 0


def test_heldout_rows_keep_the_order_of_the_file_and_are_never_trained_on(tmp_path: Path) -> None:
    source = file_of(tmp_path, [0.0, None, 0.5], "test")
    assert [each.index for each in load_heldout(source)] == [0, 1, 2]
    with pytest.raises(SpecError, match="it belongs to split 'test', and 'train' is wanted"):
        load_curriculum(source)


def test_prompts_are_drawn_in_order_again_and_again() -> None:
    drawn = [each.text for each in curriculum("a", "b", "c").draws(7)]
    assert drawn == ["a", "b", "c", "a", "b", "c", "a"]


@given(st.integers(1, 9), st.integers(0, 40))
def test_the_closed_form_of_exposure_counts_what_is_drawn(rows: int, draws: int) -> None:
    texts = curriculum(*(str(number) for number in range(rows)))
    counted = Counter(each.index for each in texts.draws(draws))
    assert list(texts.times_drawn(draws)) == [counted[place] for place in range(rows)]


@pytest.mark.parametrize(
    ("texts", "draws", "tau"),
    [("abcd", 4, 1.0), ("abcd", 16, 4.0), ("aabc", 12, 4.0), ("abcd", 2, 1.0), ("aabc", 2, 2.0)],
)
def test_realised_tau_is_draws_by_distinct_prompts_among_them(texts: str, draws: int, tau: float) -> None:
    assert curriculum(*texts).realised_tau(draws) == tau


def test_prompts_are_distinct_by_their_messages_alone() -> None:
    same = (prompt("a", answer="1"), prompt("a", answer="2"), prompt("b"))
    assert Curriculum(same).unique_prompts == 2


def test_the_hash_knows_texts_answers_and_order_and_nothing_else() -> None:
    base = (prompt("a", answer="1"), prompt("b", answer="2"))
    elsewhere = (prompt("a", answer="1", rate=None, index=9), prompt("b", answer="2"))
    others = [
        base[::-1],
        base[:1],
        (prompt("a", answer="1"), prompt("b", answer="3")),
        (prompt("a", answer="1"), prompt("c", answer="2")),
        (prompt("a", answer="1"), Prompt((Message("system", "b"),), "2", "maths", 0.5, 0)),
        (prompt("a", answer="1"), replace(prompt("b", answer="2"), prefix="import math")),
    ]
    assert Curriculum(elsewhere).sha256 == Curriculum(base).sha256
    assert len({Curriculum(prompts).sha256 for prompts in (base, *others)}) == 1 + len(others)
    # Pinned: a change would part old trials from new ones on the same prompts.
    assert Curriculum(base).sha256.startswith("cca5ea938a0b0e36")


@pytest.mark.parametrize("count", [0, 4])
def test_more_rows_than_there_are_cannot_be_asked_for(count: int) -> None:
    with pytest.raises(SpecError, match=rf"total_prompts is {count}, and the training file has 3 rows"):
        curriculum("a", "b", "c").first(count)


def test_prompts_over_the_limit_are_left_out_and_never_cut() -> None:
    def count_tokens(chat: list[dict[str, str]]) -> int:
        return sum(len(message["content"]) for message in chat)

    texts = curriculum("a", "abc", "abcd", "ab")
    assert [each.text for each in without_long_prompts(texts, 3, count_tokens).prompts] == ["a", "abc", "ab"]
    with pytest.raises(SpecError, match="each of the 4 prompts is longer than 0 tokens"):
        without_long_prompts(texts, 0, count_tokens)
