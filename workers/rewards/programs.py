"""Programs as answers, judged by their problem's tests in the sandbox. The tests are of two kinds.

`functional` calls functions of the program. In mode `fixed` its asserts run where the program cannot reach them; in
mode `paper` tests and program are one file and an exit status of 0 is right, so `sys.exit(0)` is too, as in the study.
In neither mode does it run outside the sandbox.

`inputs` and `outputs` are what a program reads and what it must print, compared line by line and word by word: numbers
within 1e-6, `yes` and `no` in any case.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from workers.rewards import Answer, Mode, Truth, Verdict
from workers.rewards.extraction import after_thinking
from workers.sandbox import Judgement, Limits, Program, ProgramResult, SandboxPool, Submission

_BLOCK = re.compile(r"```(\w*)[ \t]*\n(.*?)\n?```", re.DOTALL)
_PYTHON = ("", "python", "py", "python3")
# The study's executor gives 30 s.
_LIMITS: dict[Mode, Limits] = {
    "paper": Limits(wall_seconds=30.0, cpu_seconds=30, memory_bytes=2**30),
    "fixed": Limits(wall_seconds=15.0, cpu_seconds=15, memory_bytes=2**30),
}
_NUMERIC_TOLERANCE = 1e-6
_WHOLE = re.compile(r"[+-]?[0-9]+")


def is_program(data_source: str) -> bool:
    """Whether the answers of this source are programs."""
    return data_source.startswith("codegen")


@dataclass(frozen=True)
class _Tests:
    """The truth of a problem. `prefix` is Python that stands before the program."""

    functional: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    prefix: str


class ProgramJudge:
    """Judges programs, at most `at_once` at a time. Raises SandboxUnavailable where they cannot be isolated."""

    def __init__(self, *, at_once: int) -> None:
        self._sandboxes = SandboxPool(at_once=at_once)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._sandboxes.__exit__(_type, _error, _traceback)

    def judge(self, answers: Sequence[Answer], *, mode: Mode) -> list[Verdict]:
        """The verdict of each answer, in order."""
        tests = [_read(answer.truth) for answer in answers]
        programs = [_program(answer.text, mode) for answer in answers]
        functional = self._functional(programs, tests, mode)
        printed = self._printed(programs, tests, mode)
        verdicts = []
        for program, test in zip(programs, tests, strict=True):
            if isinstance(test, str):
                verdicts.append(Verdict(None, "exception", reason=test))
            elif program is None:
                verdicts.append(Verdict(0.0, "no_answer"))
            else:
                verdicts.append(next(functional if test.functional is not None else printed))
        return verdicts

    def _functional(
        self, programs: Sequence[str | None], tests: Sequence[_Tests | str], mode: Mode
    ) -> Iterator[Verdict]:
        asked = [
            (program, test.functional, test.prefix)
            for program, test in zip(programs, tests, strict=True)
            if program is not None and isinstance(test, _Tests) and test.functional is not None
        ]
        limits = _LIMITS[mode]
        if mode == "paper":
            whole = (f"{prefix}\n{program}\n{functional}" for program, functional, prefix in asked)
            return map(_exit_verdict, self._sandboxes.run(Program(source=each, limits=limits) for each in whole))
        return map(
            _tests_verdict,
            self._sandboxes.judge(
                Submission(
                    solution=f"{prefix}\n{program}",
                    tests=functional,
                    mutable_arguments=True,
                    prelude=prefix,
                    limits=limits,
                )
                for program, functional, prefix in asked
            ),
        )

    def _printed(self, programs: Sequence[str | None], tests: Sequence[_Tests | str], mode: Mode) -> Iterator[Verdict]:
        """One run for each input of each program; a program is right if all of its runs are."""
        asked = [
            (program, test)
            for program, test in zip(programs, tests, strict=True)
            if program is not None and isinstance(test, _Tests) and test.functional is None
        ]
        runs = self._sandboxes.run(
            Program(source=f"{test.prefix}\n{program}", stdin=text.encode(), limits=_LIMITS[mode])
            for program, test in asked
            for text in test.inputs
        )
        for _, test in asked:
            results = [next(runs) for _ in test.inputs]
            yield _printed_verdict(results, test.outputs)


def _program(text: str, mode: Mode) -> str | None:
    """The program of a completion: the last fenced block of Python after the reasoning, in mode `fixed`.

    The study joins all blocks after the first `</think>`.
    """
    if mode == "paper":
        _, thought, rest = text.partition("</think>")
        joined = "\n".join(block for _, block in _BLOCK.findall(rest if thought else text)).strip()
        return joined or None
    said = after_thinking(text)
    blocks = [block for language, block in _BLOCK.findall(said or "") if language.lower() in _PYTHON]
    return blocks[-1] if blocks and blocks[-1].strip() else None


def _read(truth: Truth) -> _Tests | str:
    """The tests, or what is wrong with them."""
    try:
        told: Any = json.loads(truth) if isinstance(truth, str) else truth
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return "the truth of a program must be its tests, a JSON object"
    functional, inputs, outputs = told.get("functional"), told.get("inputs"), told.get("outputs")
    prefix = str(told.get("prefix") or "")
    if isinstance(functional, str) and functional.strip():
        return _Tests(functional, (), (), prefix) if _is_python(functional) else "`functional` is no Python"
    if not isinstance(inputs, list) or not isinstance(outputs, list) or not inputs or len(inputs) != len(outputs):
        return "a program's tests need `functional`, or as many `inputs` as `outputs`"
    return _Tests(None, tuple(map(str, inputs)), tuple(map(str, outputs)), prefix)


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def _exit_verdict(result: ProgramResult) -> Verdict:
    if result.ended_by == "wall_time":
        return Verdict(0.0, "timed_out")
    return Verdict(float(result.status == 0 and result.ended_by is None), "scored")


def _tests_verdict(judgement: Judgement) -> Verdict:
    if judgement.outcome == "broken_tests":
        return Verdict(None, "exception", reason=judgement.detail)
    return Verdict(float(judgement.passed), "timed_out" if judgement.outcome == "wall_time" else "scored")


def _printed_verdict(results: Sequence[ProgramResult], outputs: Sequence[str]) -> Verdict:
    if any(result.ended_by == "wall_time" for result in results):
        return Verdict(0.0, "timed_out")
    right = all(
        result.status == 0 and result.ended_by is None and same_output(result.stdout.decode(errors="replace"), expected)
        for result, expected in zip(results, outputs, strict=True)
    )
    return Verdict(float(right), "scored")


def same_output(printed: str, expected: str) -> bool:
    """Whether a program printed what it should have, but for the space around and the last digits of numbers."""
    found, wanted = (text.strip().replace("\r\n", "\n").split("\n") for text in (printed, expected))
    if len(found) != len(wanted):
        return False
    for line, other in zip(found, wanted, strict=True):
        words, others = line.split(), other.split()
        if len(words) != len(others) or not all(map(_same_word, words, others)):
            return False
    return True


def _same_word(word: str, other: str) -> bool:
    if word == other or (word.lower() == other.lower() and word.lower() in ("yes", "no")):
        return True
    try:
        if _WHOLE.fullmatch(word) and _WHOLE.fullmatch(other):
            return int(word) == int(other)
        return abs(float(word) - float(other)) <= _NUMERIC_TOLERANCE
    except ValueError:
        return False
