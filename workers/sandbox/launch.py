"""Processes in fresh sandboxes: started, watched within their limits, ended, and what they printed kept up to a bound.

Nothing is forked in Python: the trainer's threads, memory and CUDA state are never copied.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from workers.sandbox import interpreter
from workers.sandbox.isolation import Isolation, SandboxUnavailable
from workers.sandbox.limits import Limits
from workers.sandbox.payload import BOOTSTRAP, Step, payload, sealed_file

Limit = Literal["wall_time", "cpu", "memory", "output"]
# How long a sandbox may take to be made, on a machine that is busy with other things.
STARTING_SECONDS = 60.0
# How often it is looked at whether it has been: no descriptor tells.
_GLANCE_SECONDS = 0.02
# How long the last process of a sandbox may take to vanish after it was killed.
VANISHING_SECONDS = 10.0
_PIECE = 2**16


class Sandboxed:
    """One process in a sandbox of its own, from its start until nothing of it is left; use it in a `with`.

    `descriptors` are handed on to it, under the same numbers. The sandbox dies with the thread that made this.
    """

    def __init__(
        self,
        isolation: Isolation,
        step: Step,
        limits: Limits,
        *,
        libraries: Sequence[str] = (),
        stdin: bytes = b"",
        descriptors: Sequence[int] = (),
    ) -> None:
        self.limits = limits
        self.overflowed = False
        self._ended_by_us = False
        entry = isolation.enter(limits)
        self._folder = entry.folder
        self._payload = sealed_file(payload([*entry.steps, step], libraries=libraries))
        input_file = sealed_file(stdin)
        try:
            self._process = subprocess.Popen(  # noqa: S603  into a sandbox
                [*entry.before, entry.executable, *interpreter.OPTIONS, "-c", BOOTSTRAP, str(self._payload)],
                stdin=input_file,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(entry.environment),
                cwd=entry.folder or "/",
                pass_fds=[self._payload, *entry.descriptors, *descriptors],
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            os.close(self._payload)
            raise SandboxUnavailable(f"The sandbox ({isolation.name}) could not be started: {error}.") from error
        finally:
            for descriptor in (input_file, *entry.descriptors):
                os.close(descriptor)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._printed = {self._process.stdout.fileno(): bytearray(), self._process.stderr.fileno(): bytearray()}
        self.exit = os.pidfd_open(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()
        os.close(self.exit)
        os.close(self._payload)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def streams(self) -> list[int]:
        """The descriptors that its standard output and standard error are read from."""
        return list(self._printed)

    @property
    def stdout(self) -> bytes:
        return bytes(self._printed[self.streams[0]])

    @property
    def stderr(self) -> bytes:
        return bytes(self._printed[self.streams[1]])

    @property
    def status(self) -> int:
        """The exit status; 128 and the signal's number where a signal ended it."""
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def read(self, stream: int) -> bool:
        """Take what there is on a stream; False when it has ended."""
        piece = os.read(stream, _PIECE)
        kept = self._printed[stream]
        room = self.limits.output_bytes - len(kept)
        self.overflowed = self.overflowed or len(piece) > room
        kept += piece[:room]
        return bool(piece)

    @property
    def began(self) -> bool:
        """Whether the interpreter runs, or ran: it has taken its payload."""
        return os.lseek(self._payload, 0, os.SEEK_CUR) > 0

    def end(self) -> None:
        """Kill it if it still runs, and wait until all of the sandbox is gone."""
        # Not yet waited for, it keeps its number even if it has ended, so nobody else's group can be meant.
        if self._process.returncode is None:
            ended = os.waitid(os.P_PIDFD, self.exit, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            self._ended_by_us = ended is None
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def check_started(self) -> None:
        """Raise `SandboxUnavailable` if it ended before the interpreter began: that is no failure of the program."""
        if not self.began and not self._ended_by_us:
            said = self.stderr.decode(errors="replace").strip()[-500:]
            raise SandboxUnavailable(f"A sandbox could not be made (status {self.status}): {said or 'no message'}.")


class _WallTime:
    """What programs have left of it; it counts from when all run: that their sandboxes are made is not their work."""

    def __init__(self, sandboxes: Sequence[Sandboxed], seconds: float) -> None:
        self._to_begin = list(sandboxes)
        self._seconds = seconds
        self._end = time.monotonic() + (STARTING_SECONDS if sandboxes else seconds)

    def left(self) -> float:
        """Seconds until one has to look again; none when the time is up."""
        if self._to_begin:
            self._to_begin = [sandboxed for sandboxed in self._to_begin if not sandboxed.began]
            if not self._to_begin:
                self._end = time.monotonic() + self._seconds
        left = self._end - time.monotonic()
        return min(left, _GLANCE_SECONDS) if self._to_begin else left


def watch(sandboxes: Sequence[Sandboxed], *, until: Sandboxed, wall_seconds: float) -> Limit | None:
    """Keep what the sandboxes print until one of them has ended; end them all, and say which limit was the cause.

    SandboxUnavailable where one has not begun after STARTING_SECONDS.
    """
    limit = _watch_until(_WallTime(sandboxes, wall_seconds), sandboxes, until)
    late = limit == "wall_time" and not all(sandboxed.began for sandboxed in sandboxes)
    for sandboxed in sandboxes:
        sandboxed.end()
    if late:
        raise SandboxUnavailable(f"A sandbox had not begun after {STARTING_SECONDS:.0f} seconds.")
    # Every process of a sandbox holds its streams, so their ends show that it has gone; what they still hold is kept.
    _watch_until(_WallTime([], VANISHING_SECONDS), sandboxes, None)
    if limit is None and any(sandboxed.overflowed for sandboxed in sandboxes):
        return "output"
    return limit


def _watch_until(wall_time: _WallTime, sandboxes: Sequence[Sandboxed], until: Sandboxed | None) -> Limit | None:
    """Until the process has ended, or with None until all streams have."""
    with selectors.DefaultSelector() as selector:
        for sandboxed in sandboxes:
            for stream in sandboxed.streams:
                selector.register(stream, selectors.EVENT_READ, sandboxed)
        if until is not None:
            selector.register(until.exit, selectors.EVENT_READ, None)
        while selector.get_map():
            if (left := wall_time.left()) <= 0:
                return "wall_time"
            for key, _ in selector.select(left):
                if key.data is None:
                    return None
                if not key.data.read(key.fd):
                    selector.unregister(key.fd)
                elif key.data.overflowed and until is not None:
                    return "output"
    return None
