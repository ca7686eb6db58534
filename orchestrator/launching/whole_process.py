"""A process that ends with all that it has started, in whatever way it or its launcher ends.

It has a process group of its own, and a folder of its own for temporary files, by which also what has left the group
is known. Its standard input is its lifeline: when its launcher dies, the pipe closes, and it kills its group.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from orchestrator.launching.temporary import kill_those_in, temporary_folder


@contextmanager
def whole_process(
    command: Sequence[str], *, environment: Mapping[str, str], **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run our own `command` while the block lasts; `options` are those of Popen. Afterwards nothing of it is left."""
    with temporary_folder() as folder:
        process = subprocess.Popen(  # noqa: S603  (our own interpreter, our own arguments)
            command,
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={**environment, "TMPDIR": str(folder)},
            **options,
        )
        try:
            yield process
        finally:
            if process.returncode is None:  # else its number, and the group's, may be another's by now
                os.killpg(process.pid, signal.SIGKILL)
            kill_those_in(folder)
            process.wait()


def wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Return once it has ended, and leave its status to be asked for: until then its group can be killed."""
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
