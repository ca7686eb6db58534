"""Judging a solution by tests that call its functions, with a verdict that the solution has no means to give itself.

Two sandboxes: in one the solution answers calls, in the other the tests make them. Plain values alone cross between the
two, so the tests compare values of their own process by its own rules. The verdict is a nonce, drawn for this judgement
and known to the tests' process, which writes it after the last test. The solution's process never holds the nonce, the
tests or the pipe that the nonce is written to, and sees no process but its own.
"""

from __future__ import annotations

import ast
import builtins
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, cast

from db.errors import SpecError
from workers.sandbox.available import find_isolation
from workers.sandbox.inside.values import NotPlainError, decode
from workers.sandbox.isolation import Isolation
from workers.sandbox.launch import Limit, Sandboxed, watch
from workers.sandbox.limits import Limits
from workers.sandbox.payload import Step

Outcome = Literal[
    "passed",
    "failed_assert",  # a test found a wrong value
    "exception",  # a call raised, and no test expected it
    "broken_solution",  # the solution's source did not run to its end
    "solution_ended",  # its process ended before the tests did
    "not_plain",  # a result that is no plain value, or a reply that is none
    "broken_tests",  # the tests or their prelude cannot run: no fault of the solution
    "wall_time",
    "output",
    "no_verdict",  # the tests' process ended without any: it ran into a limit, or a test ended it
]


@dataclass(frozen=True)
class Judgement:
    """What the tests found. `detail` is for people: the line of the tests, the exception, at most 1,000 characters."""

    outcome: Outcome
    detail: str
    seconds: float

    @property
    def passed(self) -> bool:
        return self.outcome == "passed"


def judge_tests(
    solution: str,
    tests: str,
    *,
    entry_points: Sequence[str] = (),
    prelude: str = "",
    mutable_arguments: bool = False,
    limits: Limits | None = None,
    isolation: Isolation | None = None,
) -> Judgement:
    """Judge a solution by running `tests`: asserts, or functions and the calls of them.

    `entry_points` are the functions of the solution that the tests may call; without any, all names that the tests use
    and nobody else defines. `prelude` is trusted source that runs with the tests, for what they need besides: a
    problem's prompt with its helper functions. `mutable_arguments` gives lists, dicts and sets that a call was passed
    what the solution left in them; without it a call works on copies. SandboxUnavailable when no sandbox could be made.
    """
    limits, isolation = limits or Limits(), isolation or find_isolation()
    entry_points = list(entry_points) or unknown_names(tests)
    nonce = secrets.token_hex(32)
    started = time.monotonic()
    shared = {"value_bytes": limits.value_bytes, "mutable_arguments": mutable_arguments}
    with ExitStack() as stack:
        with _two_pipes() as ((calls_out, calls_in), (replies_out, replies_in)):
            serving = Step(
                "solution", "serve", {"source": solution, "calls": calls_out, "replies": replies_in, **shared}
            )
            checking = Step(
                "checker",
                "check",
                {"tests": tests, "prelude": prelude, "entry_points": entry_points, "nonce": nonce}
                | {"calls": calls_in, "replies": replies_out, **shared},
            )
            server = stack.enter_context(_sandboxed(isolation, serving, limits, [calls_out, replies_in]))
            checker = stack.enter_context(_sandboxed(isolation, checking, limits, [calls_in, replies_out]))
        limit = watch([server, checker], until=checker, wall_seconds=limits.wall_seconds)
        checker.check_started()
        server.check_started()
        outcome, detail = _verdict(checker.stdout, nonce, limit)
    return Judgement(outcome, detail, time.monotonic() - started)


def unknown_names(tests: str) -> list[str]:
    """The names that the tests use and neither define, import nor have as built-ins."""
    try:
        nodes = list(ast.walk(ast.parse(tests)))
    except (SyntaxError, ValueError, RecursionError) as error:
        raise SpecError(f"The tests of a problem are no Python: {error}.") from error
    names = [node for node in nodes if isinstance(node, ast.Name)]
    used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    caught = {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    parameters = {node.arg for node in nodes if isinstance(node, ast.arg)}
    imported = {(node.asname or node.name).split(".")[0] for node in nodes if isinstance(node, ast.alias)}
    return sorted(used - stored - caught - defined - parameters - imported - vars(builtins).keys())


@contextmanager
def _two_pipes() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Both closed here at the end, when the two processes have theirs, so that either sees the other go."""
    first, second = os.pipe(), os.pipe()
    try:
        yield first, second
    finally:
        for descriptor in (*first, *second):
            os.close(descriptor)


def _sandboxed(isolation: Isolation, step: Step, limits: Limits, descriptors: Sequence[int]) -> Sandboxed:
    return Sandboxed(isolation, step, limits, libraries=["values"], descriptors=descriptors)


def _verdict(written: bytes, nonce: str, limit: Limit | None) -> tuple[Outcome, str]:
    """Passed if and only if the nonce is there; a limit that was met along the way fails even so."""
    if limit is not None:
        return cast(Outcome, limit), ""
    try:
        outcome, detail, shown = decode(written)
    except (NotPlainError, ValueError, TypeError):
        return "no_verdict", ""
    if outcome == "passed" and not secrets.compare_digest(shown, nonce):
        return "no_verdict", ""
    return outcome, detail
