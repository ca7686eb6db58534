"""Programs judged by their tests: right ones pass, wrong ones and tricks do not, in a sandbox always."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from workers.rewards import Answer, Mode, Verdict
from workers.rewards.pool import RewardPool
from workers.rewards.programs import ProgramJudge, same_output

ADD = json.dumps({"functional": "def check(candidate):\n    assert candidate(1, 2) == 3\n\ncheck(add)"})
ECHO = json.dumps({"inputs": ["3\n", "10\n"], "outputs": ["6", "20.0000001"]})


def block(program: str, language: str = "python") -> str:
    return f"Here it is.\n```{language}\n{program}\n```"


@pytest.fixture(scope="module")
def judge() -> Iterator[ProgramJudge]:
    with ProgramJudge(at_once=2) as programs:
        yield programs


def one(judge: ProgramJudge, text: str, truth: str, mode: Mode = "fixed") -> Verdict:
    (verdict,) = judge.judge([Answer("codegen__tests", text, truth)], mode=mode)
    return verdict


@pytest.mark.parametrize("mode", ["paper", "fixed"])
@pytest.mark.parametrize(
    ("program", "score"),
    [
        ("def add(a, b):\n    return a + b", 1.0),
        ("def add(a, b):\n    return a - b", 0.0),
        ("def add(a, b):\n    raise ValueError", 0.0),
        ("def plus(a, b):\n    return a + b", 0.0),
        ("def add(a, b) return", 0.0),
    ],
)
def test_functions_are_judged_by_their_asserts(judge: ProgramJudge, program: str, score: float, mode: Mode) -> None:
    assert one(judge, block(program), ADD, mode) == Verdict(score, "scored")


@pytest.mark.parametrize(
    "trick",
    [
        "import sys\nsys.exit(0)",
        "import os\nos._exit(0)",
        "class Always:\n    def __eq__(self, other):\n        return True\n\ndef add(a, b):\n    return Always()",
    ],
)
def test_the_tricks_that_the_study_rewards_earn_nothing_here(judge: ProgramJudge, trick: str) -> None:
    assert one(judge, block(trick), ADD, "paper").score == 1.0
    assert one(judge, block(trick), ADD, "fixed").score == 0.0


def test_a_program_prints_what_it_should_for_every_input(judge: ProgramJudge) -> None:
    assert one(judge, block("print(2 * int(input()))"), ECHO) == Verdict(1.0, "scored")
    assert one(judge, block("print(6)"), ECHO) == Verdict(0.0, "scored")


def test_one_that_does_not_end_is_wrong_and_counted_apart(judge: ProgramJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    from workers.rewards import programs
    from workers.sandbox import Limits

    monkeypatch.setitem(programs._LIMITS, "fixed", Limits(wall_seconds=1.0))
    loop = block("def add(a, b):\n    while True:\n        pass")
    assert one(judge, loop, ADD) == Verdict(0.0, "timed_out")


@pytest.mark.parametrize(
    "text", ["No code at all.", "```python\n```", "```java\nclass A {}\n```", "<think>```python\nx\n```"]
)
def test_without_a_program_there_is_no_answer(judge: ProgramJudge, text: str) -> None:
    assert one(judge, text, ADD) == Verdict(0.0, "no_answer")


def test_the_last_program_after_the_reasoning_counts(judge: ProgramJudge) -> None:
    wrong, right = block("def add(a, b):\n    return 0"), block("def add(a, b):\n    return a + b")
    assert one(judge, f"<think>{right}</think>{wrong}{right}", ADD).score == 1.0
    assert one(judge, f"<think>{right}</think>{wrong}", ADD).score == 0.0


@pytest.mark.parametrize(
    "truth", ["not JSON", "[]", "{}", '{"inputs": ["1"], "outputs": []}', '{"functional": "def check(:"}']
)
def test_tests_that_are_none_are_the_datas_fault(judge: ProgramJudge, truth: str) -> None:
    verdict = one(judge, block("def add(a, b):\n    return a + b"), truth)
    assert (verdict.score, verdict.outcome) == (None, "exception")
    assert verdict.reason


def test_a_prefix_stands_before_the_program(judge: ProgramJudge) -> None:
    truth = json.dumps(json.loads(ADD) | {"prefix": "from operator import add as plus"})
    assert one(judge, block("def add(a, b):\n    return plus(a, b)"), truth).score == 1.0


def test_programs_and_other_answers_come_back_in_their_order() -> None:
    answers = [
        Answer("codegen__tests", block("def add(a, b):\n    return a + b"), ADD),
        Answer("math__tests", "\\boxed{4}", "4"),
        Answer("codegen__tests", block("def add(a, b):\n    return 1"), ADD),
        Answer("math__tests", "\\boxed{5}", "4"),
        Answer("codegen__tests", block("def add(a, b):\n    return a + b"), ADD),
    ]
    with RewardPool(processes=1) as pool:
        assert [verdict.score for verdict in pool.judge(answers, mode="fixed")] == [1.0, 1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("1 2\n", "1 2", True),
        ("0.3333333", "0.33333333", True),
        ("YES", "yes", True),
        ("Yes", "No", False),
        ("abc", "ABC", False),
        ("1\n2", "1 2", False),
        ("1.1", "1.2", False),
        ("", "0", False),
        ("9007199254740992", "9007199254740993", False),
        ("+12", "12", True),
        ("12.0000001", "12", True),
    ],
)
def test_output_is_compared_word_by_word(printed: str, expected: str, same: bool) -> None:
    assert same_output(printed, expected) is same
