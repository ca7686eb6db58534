"""Sandboxes that take long to be made: that is nobody's fault, and no verdict waits for one that is not needed."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass, replace

import pytest

from workers.sandbox import Limits, SandboxUnavailable, launch, run_program
from workers.sandbox.isolation import Entry
from workers.sandbox.launch import Sandboxed, watch
from workers.sandbox.payload import Step
from workers.sandbox.unisolated import Unisolated


@dataclass(frozen=True)
class Slow:
    """As on a machine that is busy with other things."""

    seconds: float
    name: str = "slow"

    def enter(self, limits: Limits) -> Entry:
        delay = ["/bin/sh", "-c", f'sleep {self.seconds}; exec "$@"', "sh"]
        return replace(Unisolated().enter(limits), before=delay)


def test_the_wall_time_counts_from_when_the_program_runs() -> None:
    limits = Limits(wall_seconds=0.4)
    slept = run_program("import time; time.sleep(30)", limits=limits, isolation=Slow(0.6))
    assert (slept.ended_by, slept.seconds > 1.0) == ("wall_time", True)
    assert run_program("print(1)", limits=limits, isolation=Slow(0.6)).stdout == b"1\n"


def test_many_open_files_are_no_hindrance() -> None:
    """A trainer with an engine has more than the 1,024 that the oldest system call for waiting can tell apart."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert run_program("print(1)").stdout == b"1\n"
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_that_never_begins_is_the_machines_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "STARTING_SECONDS", 0.3)
    with pytest.raises(SandboxUnavailable, match="had not begun after"):
        run_program("print(1)", isolation=Slow(60))


def test_what_is_not_waited_for_need_not_have_begun() -> None:
    """Tests that are no Python end before the solution's sandbox has been made."""
    limits = Limits()
    solution = Sandboxed(Slow(60), Step("program", "run", {"source": "print(1)"}), limits)
    tests = Sandboxed(Unisolated(), Step("program", "run", {"source": "print(2)"}), limits)
    with solution, tests:
        assert watch([solution, tests], until=tests, wall_seconds=5) is None
        tests.check_started()
        solution.check_started()
        assert (solution.began, tests.stdout) == (False, b"2\n")
