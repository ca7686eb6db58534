"""The kinds of failure that an attempt records, in one word each."""

from __future__ import annotations

import errno

from db.errors import CheckpointError, EngineError, EnvironmentProblem, NumericalError, SpecError


def failure_class(error: BaseException) -> str:
    """The kind of failure in one word."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "disk_full"
    known: list[tuple[type[BaseException], str]] = [
        (SpecError, "spec"),
        (EnvironmentProblem, "environment"),
        (EngineError, "engine"),
        (NumericalError, "numerical"),
        (CheckpointError, "checkpoint"),
        (MemoryError, "host_memory"),
    ]
    for kind, name in known:
        if isinstance(error, kind):
            return name
    return "gpu_memory" if type(error).__name__ == "OutOfMemoryError" else "code"
