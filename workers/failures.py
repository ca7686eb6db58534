"""Why an attempt ended without a result, in one word: what a policy of trying again is chosen by.

From the exception that ended it, its causes and what they say; or, of an attempt that died without a word, from how
its process ended and what its log says last.
"""

from __future__ import annotations

import errno
import re
import signal
from collections.abc import Iterator

from db.errors import CheckpointError, EngineError, EnvironmentProblem, NumericalError, SpecError

FAILURE_CLASSES = {
    "preempted": "its process was asked to stop, and not by rlsweep: by a scheduler, or a machine that goes down",
    "node_lost": "its node left the cluster",
    "died": "its process was killed or crashed, and nothing tells why",
    "gpu_memory": "a GPU had too little memory",
    "host_memory": "the machine had too little memory",
    "nccl": "its processes lost each other",
    "timeout": "it made no progress for `health.stall_minutes`, or something that it waited for did not come in time",
    "disk_full": "there was no room on a disk",
    "checkpoint": "no checkpoint could be written or read",
    "environment": "its machine lacks what it needs",
    "engine": "vLLM does not do what it must",
    "numerical": "a loss or gradient is not a number",
    "spec": "what was asked for cannot be run",
    "code": "anything else: a bug, until shown otherwise",
}

_KINDS: tuple[tuple[type[BaseException], str], ...] = (
    (SpecError, "spec"),
    (EnvironmentProblem, "environment"),
    (EngineError, "engine"),
    (NumericalError, "numerical"),
    (CheckpointError, "checkpoint"),
    (MemoryError, "host_memory"),
)
# What libraries say, most telling first: one that ran out of memory loses the others, not the other way round.
_SAID = (
    ("gpu_memory", r"CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"),
    ("gpu_memory", r"No available memory for the cache|larger than the available KV cache memory"),
    ("gpu_memory", r"Free memory on device .* is less than desired"),
    ("host_memory", r"std::bad_alloc|can't allocate memory|Cannot allocate memory|killed by signal: Killed"),
    ("disk_full", r"No space left on device|Disk quota exceeded|unable to (?:write|mmap|allocate) .*shared memory"),
    ("timeout", r"Watchdog caught collective operation timeout|DistStoreError|TimeoutError"),
    ("nccl", r"\bnccl\w*(?:Error|Exception)|NCCL (?:error|WARN)|ProcessGroupNCCL|DistBackendError"),
    ("nccl", r"gloo/transport|Connection closed by peer"),
)
_PATTERNS = tuple((name, re.compile(pattern)) for name, pattern in _SAID)


def failure_class(error: BaseException) -> str:
    """The kind of failure in one word: of the error itself, or else of the first of its causes that has one."""
    return next((name for each in _with_causes(error) if (name := _class_of(each))), "code")


def class_of_death(exit_code: int, last_words: str, *, was_out_of_memory: bool) -> tuple[str, str]:
    """The class of an attempt that recorded no end, and a sentence that says from what it was concluded.

    `exit_code` is the process's, negative where a signal ended it; `last_words` the end of its log;
    `was_out_of_memory`: the kernel killed a process of its group for memory.
    """
    how = f"signal {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
    if was_out_of_memory:
        return "host_memory", f"Its process ended with {how}, and the kernel killed for want of memory meanwhile."
    if (name := _class_said(last_words)) is not None:
        return name, f"Its process ended with {how}; its log ends as after {FAILURE_CLASSES[name]}."
    return "died", f"Its process ended with {how} and left no reason."


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _class_of(error: BaseException) -> str | None:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk_full"
    kind = next((name for kind, name in _KINDS if isinstance(error, kind)), None)
    return kind or _class_said(f"{type(error).__name__}: {error}")


def _class_said(text: str) -> str | None:
    if re.search(r"^OutOfMemoryError\b", text):  # torch's, of a GPU
        return "gpu_memory"
    return next((name for name, pattern in _PATTERNS if pattern.search(text)), None)
