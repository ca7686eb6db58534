"""Starting other processes at little cost: each is forked from a server that has imported the store once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

from tests.contract.writers import Outcome, answering

_LIMIT_SECONDS = 240
# pytest, because every child runs the parent's main script once more, which imports it.
_IMPORTED_ONCE = ["pytest", "tests.contract.writers", "psycopg", "sqlalchemy.dialects.postgresql.psycopg"]


def context() -> ForkServerContext:
    """The context in which all processes of these tests start."""
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(_IMPORTED_ONCE)
    return forking


def start(target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Connection]:
    """Start `target(*arguments, connection)` in a process; returns it and the other end of the connection."""
    ours, theirs = context().Pipe(duplex=False)
    process = context().Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def run_at_once(work: Callable[..., Outcome], arguments: Sequence[tuple[Any, ...]]) -> list[Outcome]:
    """Do `work` in as many processes as there are arguments, all at once; returns what each has to say.

    The last argument of `work` is a barrier, at which all wait for each other.
    """
    ready = context().Barrier(len(arguments), timeout=_LIMIT_SECONDS)
    started = [start(answering, work, (*each, ready)) for each in arguments]
    outcomes = []
    for process, answers in started:
        assert answers.poll(_LIMIT_SECONDS), f"a process has said nothing for {_LIMIT_SECONDS} s"
        outcomes.append(answers.recv())
        process.join()
    return outcomes
