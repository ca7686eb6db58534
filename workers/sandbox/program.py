"""Running a whole Python program in a sandbox: a policy's `python` tool, problems of standard input and output."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from workers.sandbox.available import find_isolation
from workers.sandbox.isolation import Isolation
from workers.sandbox.launch import Limit, Sandboxed, watch
from workers.sandbox.limits import Limits
from workers.sandbox.payload import Step


@dataclass(frozen=True)
class ProgramResult:
    """What a program did. `status` is as a shell would show it: 128 and the signal's number where a signal ended it.

    `ended_by` is the limit that ended it; of `cpu` and `memory` the program's own word is taken (it may raise
    MemoryError itself), `wall_time` and `output` are measured here.
    """

    status: int
    stdout: bytes
    stderr: bytes
    ended_by: Limit | None
    seconds: float

    def __str__(self) -> str:
        """What a person at a terminal would have seen: standard output, standard error, and the limit that was met."""
        printed = "".join(stream.decode(errors="replace") for stream in (self.stdout, self.stderr))
        return printed if self.ended_by is None else f"{printed}\n[ended by the limit on {self.ended_by}]"


def run_program(
    source: str, *, stdin: bytes = b"", limits: Limits | None = None, isolation: Isolation | None = None
) -> ProgramResult:
    """Run a Python program in a fresh sandbox, of the best isolation unless told which.

    SandboxUnavailable when there is none or a sandbox could not be made: no fault of the program.
    """
    limits, isolation = limits or Limits(), isolation or find_isolation()
    started = time.monotonic()
    with Sandboxed(isolation, Step("program", "run", {"source": source}), limits, stdin=stdin) as program:
        ended_by = watch([program], until=program, wall_seconds=limits.wall_seconds)
        program.check_started()
        return ProgramResult(
            status=program.status,
            stdout=program.stdout,
            stderr=program.stderr,
            ended_by=ended_by or _limit_by_status(program),
            seconds=time.monotonic() - started,
        )


def _limit_by_status(program: Sandboxed) -> Limit | None:
    if program.status in (128 + signal.SIGXCPU, 128 + signal.SIGKILL):
        return "cpu"
    if program.status and program.stderr.rstrip().rpartition(b"\n")[2].startswith(b"MemoryError"):
        return "memory"
    return None
