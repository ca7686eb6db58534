"""One worker process as the pool sees it: started afresh, given one answer at a time, killed with all its children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

from workers.rewards.frames import FrameError, Unpacker, pack

START_SECONDS = 120.0  # for a fresh interpreter to import sympy, on a busy machine
_LONGEST_REPLY = 1 << 16
_ROOT = Path(__file__).parents[2]
# What an interpreter may need to start at all. Everything else, passwords first, stays away from generated text.
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE")

State = Literal["starting", "idle", "given", "judging", "gone"]


class WorkerProcess:
    """A worker and its end of the pipe. Nothing here waits: the pool's loop says when there is something to do."""

    def __init__(self, settings: dict[str, float | int]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "workers.rewards.worker", str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(),
                cwd="/",
                start_new_session=True,
            )
        ours.setblocking(False)
        self._socket = ours
        self._unpacker = Unpacker(longest=_LONGEST_REPLY)
        self._unsent = bytearray(pack(settings))
        self.state: State = "starting"
        self.since = time.monotonic()
        self.task: int | None = None
        self.complaint = ""

    @property
    def pid(self) -> int:
        """The process id, which is its session's and its process group's as well."""
        return self._process.pid

    @property
    def wants_to_send(self) -> bool:
        """Whether part of a message still waits for room in the pipe."""
        return bool(self._unsent)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def give(self, number: int, task: dict[str, Any]) -> None:
        """Hand over an answer to judge; `send` moves it."""
        assert self.state == "idle", "one answer at a time"
        self.task = number
        self._unsent += pack({"number": number, **task})
        self._enter("given")
        self.send()

    def send(self) -> None:
        """Write as much as the pipe takes now. A worker that is gone is noticed when it is read."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]

    def receive(self) -> dict[str, Any] | None:
        """The verdict, if one has come in. `state` is "gone" where the worker has hung up, or talks nonsense."""
        try:
            piece = self._socket.recv(1 << 16)
            messages = self._unpacker.feed(piece)
        except BlockingIOError:
            return None
        except (ConnectionResetError, FrameError):
            piece, messages = b"", []
        verdicts = [each for each in messages if not self._changes_state(each)]
        if not piece:
            self._enter("gone")
        return verdicts[0] if verdicts else None

    def is_overdue(self, *, judging_seconds: float) -> bool:
        """Whether it has been silent for longer than its state allows."""
        return self.seconds_left(judging_seconds=judging_seconds) <= 0

    def seconds_left(self, *, judging_seconds: float) -> float:
        """How long it may still be silent. An idle worker may be for ever."""
        if self.state in ("idle", "gone"):
            return float("inf")
        allowed = judging_seconds if self.state == "judging" else START_SECONDS
        return self.since + allowed - time.monotonic()

    def finish(self) -> None:
        """The verdict is in: ready for the next answer."""
        self.task = None
        self._enter("idle")

    def end(self) -> int:
        """Kill it and all it may have started, and wait until it is gone. Returns its exit status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        status = self._process.wait()
        self._socket.close()
        if self._process.stderr is not None:
            self.complaint = self._complaint()
            self._process.stderr.close()
        self.state = "gone"
        return status

    def _complaint(self) -> str:
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        lines = (self._process.stderr.read() or b"").decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _changes_state(self, message: Any) -> bool:
        if isinstance(message, dict) and "ready" in message:
            self._enter("idle")
        elif isinstance(message, dict) and "began" in message:
            self._enter("judging")
        else:
            return False
        return True

    def _enter(self, state: State) -> None:
        self.state = state
        self.since = time.monotonic()


def _environment() -> dict[str, str]:
    paths = [str(_ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **{name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONHASHSEED": "0",  # sympy orders by hash in places: one answer, one verdict
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
    }
