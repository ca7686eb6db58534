"""Held-out problems that come up in training in other words are found, and other problems are not."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.prompts import Message, Prompt
from workers.prompts.curriculum import Curriculum
from workers.prompts.duplicates import INSTRUCTIONS, near_duplicates, without_near_duplicates

TRIANGLE = "In triangle $ABC$ with $AB=8$ and $AC=10$, the incenter $I$ is reflected across side $AB$. Compute $BC^2$."


def prompts(*texts: str) -> tuple[Prompt, ...]:
    return tuple(Prompt((Message("user", text),), "7", "maths", 0.5, index) for index, text in enumerate(texts))


def similarity(training: str, heldout: str) -> float:
    pairs = near_duplicates(prompts(training), prompts(heldout), threshold=1e-9)
    return pairs[0].similarity if pairs else 0.0


@pytest.mark.parametrize(
    "rewritten",
    [
        TRIANGLE,
        TRIANGLE.upper(),
        TRIANGLE.replace("$", ""),
        TRIANGLE.replace("ABC", "A B C").replace("BC^2", "B C^{2}"),
        TRIANGLE.replace(" ", "\n  "),
        TRIANGLE.replace("8", "８"),
        f"{INSTRUCTIONS[0]} {TRIANGLE} {INSTRUCTIONS[1]}",
    ],
)
def test_spelling_and_instructions_make_no_difference(rewritten: str) -> None:
    assert similarity(rewritten, TRIANGLE) == 1.0


@pytest.mark.parametrize("rewritten", [f"12. (AIME) {TRIANGLE}", f"{TRIANGLE} Justify."])
def test_a_problem_in_slightly_other_words_is_a_near_duplicate(rewritten: str) -> None:
    assert 0.8 <= similarity(rewritten, TRIANGLE) < 1.0


@pytest.mark.parametrize(
    "other",
    [
        "In triangle $ABC$ with $AB=13$ and $AC=20$, the median from $A$ meets side $BC$ in $D$. Compute $AD^2$.",
        f"{TRIANGLE} Then compute the area of the triangle that the reflected points and the circumcenter form.",
        "",
        "∑ = ?",
        "8",
    ],
)
def test_another_problem_is_none(other: str) -> None:
    assert near_duplicates(prompts(other), prompts(TRIANGLE)) == []
    assert near_duplicates(prompts(TRIANGLE), prompts(other)) == []


def test_prompts_without_letters_or_digits_are_not_compared() -> None:
    assert near_duplicates(prompts("∑ = ?"), prompts("∫ = ?", "")) == []


def test_every_pair_is_reported_in_the_order_of_the_training_rows() -> None:
    training = prompts("An unrelated problem about trains.", TRIANGLE, "Another one about boats.", TRIANGLE.lower())
    heldout = prompts("What is 7 + 8?", TRIANGLE, TRIANGLE.replace("$", ""))
    pairs = near_duplicates(training, heldout)
    assert [(pair.training.index, pair.heldout.index) for pair in pairs] == [(1, 1), (1, 2), (3, 1), (3, 2)]


def test_leaked_rows_can_be_left_out_and_the_others_keep_their_order() -> None:
    training = Curriculum(prompts("A problem about trains.", TRIANGLE, "One about boats.", f"3. {TRIANGLE}"))
    kept = without_near_duplicates(training, prompts(TRIANGLE))
    assert [prompt.index for prompt in kept.prompts] == [0, 2]
    assert len(without_near_duplicates(training, prompts(TRIANGLE), threshold=1.0)) == 3


WORDS = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta", "12", "345"]), max_size=8).map(" ".join)


@given(st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=6), st.floats(0.05, 1))
def test_no_pair_is_missed_whatever_else_is_there(training: list[str], heldout: list[str], threshold: float) -> None:
    found = near_duplicates(prompts(*training), prompts(*heldout), threshold=threshold)
    expected = [
        (mine, theirs)
        for (mine, first), (theirs, second) in product(enumerate(training), enumerate(heldout))
        if similarity(first, second) >= threshold
    ]
    assert [(pair.training.index, pair.heldout.index) for pair in found] == expected


@given(WORDS, WORDS)
def test_similarity_is_symmetric(first: str, second: str) -> None:
    assert similarity(first, second) == similarity(second, first)
