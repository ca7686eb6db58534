"""What one sandboxed program may use, and how that becomes the kernel's resource limits.

A program is one process (the system-call filter refuses new ones), so limits per process are limits per program.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass, fields

from db.errors import SpecError

MEBIBYTE = 2**20
# A core file is never wanted. One byte, not none: at zero the kernel still hands the image to a core-dump program.
CORE_BYTES = 1
# The stack of the main thread: what Linux gives by default.
STACK_BYTES = 8 * MEBIBYTE
# The init process of the sandbox and the program itself are counted with the program's threads.
PROCESSES_AROUND = 2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one program may use; what goes beyond it ends the program or fails inside it.

    `memory_bytes` is address space, which an interpreter without any work takes some 30 MiB of; `file_bytes` is all of
    its `/tmp`; `output_bytes` holds for standard output and standard error each; `value_bytes` for one argument list or
    one result on its way between a solution and the tests that call it.
    """

    wall_seconds: float = 10.0
    cpu_seconds: int = 10
    memory_bytes: int = 512 * MEBIBYTE
    file_bytes: int = 16 * MEBIBYTE
    output_bytes: int = 256 * 1024
    value_bytes: int = 16 * MEBIBYTE
    threads: int = 32
    open_files: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            if not (value := getattr(self, field.name)) > 0:
                raise SpecError(f"The sandbox limit `{field.name}` is {value}: it must be greater than zero.")

    def resources(self) -> list[tuple[int, int, int]]:
        """Each kernel limit as (number, soft, hard), none of them above what this process may hand on.

        The second between the two CPU limits tells the two signals apart: SIGXCPU at the soft one, SIGKILL at the hard.
        """
        wanted = {
            resource.RLIMIT_AS: (self.memory_bytes, self.memory_bytes),
            resource.RLIMIT_CPU: (self.cpu_seconds, self.cpu_seconds + 1),
            resource.RLIMIT_FSIZE: (self.file_bytes, self.file_bytes),
            resource.RLIMIT_NOFILE: (self.open_files, self.open_files),
            resource.RLIMIT_NPROC: (self.threads + PROCESSES_AROUND, self.threads + PROCESSES_AROUND),
            resource.RLIMIT_STACK: (STACK_BYTES, STACK_BYTES),
            resource.RLIMIT_CORE: (CORE_BYTES, CORE_BYTES),
            resource.RLIMIT_MEMLOCK: (0, 0),
            resource.RLIMIT_MSGQUEUE: (0, 0),
        }
        return [(number, *_within_ours(number, soft, hard)) for number, (soft, hard) in wanted.items()]


def _within_ours(number: int, soft: int, hard: int) -> tuple[int, int]:
    ceiling = resource.getrlimit(number)[1]
    if ceiling == resource.RLIM_INFINITY:
        return soft, hard
    return min(soft, ceiling), min(hard, ceiling)
