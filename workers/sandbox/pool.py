"""Many programs or judgements at a time: a bounded number of sandboxes, results in the order of the requests.

Threads wait for the sandboxes' processes; each request still has a fresh sandbox (a judgement two).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from db.errors import SpecError
from workers.sandbox.available import find_isolation
from workers.sandbox.isolation import Isolation
from workers.sandbox.judging import Judgement, judge_tests
from workers.sandbox.limits import Limits
from workers.sandbox.program import ProgramResult, run_program

Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Program:
    """What `run_program` takes."""

    source: str
    stdin: bytes = b""
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What `judge_tests` takes."""

    solution: str
    tests: str
    entry_points: tuple[str, ...] = ()
    prelude: str = ""
    mutable_arguments: bool = False
    limits: Limits | None = None


class SandboxPool:
    """At most `at_once` requests are worked on at a time, and about twice as many are taken from the iterable."""

    def __init__(self, *, at_once: int, isolation: Isolation | None = None) -> None:
        if at_once < 1:
            raise SpecError(f"A pool of {at_once} sandboxes runs nothing: `at_once` must be at least 1.")
        self._isolation = isolation or find_isolation()
        self._at_once = at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="sandbox")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def run(self, programs: Iterable[Program]) -> Iterator[ProgramResult]:
        """Run programs."""
        return self._in_order(self._run_one, programs)

    def judge(self, submissions: Iterable[Submission]) -> Iterator[Judgement]:
        """Judge solutions."""
        return self._in_order(self._judge_one, submissions)

    def _run_one(self, program: Program) -> ProgramResult:
        return run_program(program.source, isolation=self._isolation, stdin=program.stdin, limits=program.limits)

    def _judge_one(self, submission: Submission) -> Judgement:
        return judge_tests(
            submission.solution,
            submission.tests,
            isolation=self._isolation,
            entry_points=submission.entry_points,
            prelude=submission.prelude,
            mutable_arguments=submission.mutable_arguments,
            limits=submission.limits,
        )

    def _in_order(self, work: Callable[[Request], Result], requests: Iterable[Request]) -> Iterator[Result]:
        under_way: deque[Future[Result]] = deque()
        for request in requests:
            under_way.append(self._threads.submit(work, request))
            if len(under_way) >= 2 * self._at_once:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
