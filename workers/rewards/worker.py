"""`python -m workers.rewards.worker`: judges one answer at a time, as the pool at the other end of stdin asks for them.

It ends with the pool: at the end of the pipe, by a signal when the pool's process dies, and by its own limit of CPU
seconds where neither reaches it. The clock of an answer starts here, when its judging starts. After an answer that ran
out of time or memory the worker ends, because what was interrupted half way could change later verdicts.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import socket
import sys
from types import FrameType
from typing import Any

from workers.rewards.frames import Unpacker, pack
from workers.rewards.reading import TruthError
from workers.rewards.sources import scorer_of

_PR_SET_PDEATHSIG = 1
_NAGGING_SECONDS = 0.1  # the alarm repeats, for code that swallows the first one
_CPU_MARGIN_SECONDS = 2
_REASON_CHARACTERS = 300
_ANSWERS_BETWEEN_LOOKS = 64


class OutOfTime(BaseException):
    """Raised by the alarm inside the scorer. No Exception, so that what scorers catch does not hold it up."""


def main() -> None:
    """Serve until the pool hangs up or the worker has to be replaced."""
    _die_with(parent := int(sys.argv[1]))
    pool = _take_over_stdin()
    import math_verify  # noqa: F401  # most of a second: done before the first answer, not in its time

    settings = _Settings(**_first_message(pool))
    _limit(settings)
    _send(pool, {"ready": os.getpid()})
    unpacker = Unpacker()
    judged = 0
    while os.getppid() == parent and (piece := pool.recv(1 << 20)):
        for task in unpacker.feed(piece):
            _send(pool, {"began": task["number"]})
            verdict = _judge(task, settings.seconds_per_answer)
            judged += 1
            worn = judged >= settings.answers_per_worker or (
                judged % _ANSWERS_BETWEEN_LOOKS == 0 and _resident_bytes() > settings.recycle_bytes
            )
            verdict["retires"] = worn or verdict["retires"]
            _send(pool, verdict)
            if verdict["retires"]:
                return


class _Settings:
    def __init__(
        self, *, seconds_per_answer: float, memory_bytes: int, recycle_bytes: int, answers_per_worker: int
    ) -> None:
        self.seconds_per_answer = seconds_per_answer
        self.memory_bytes = memory_bytes
        self.recycle_bytes = recycle_bytes
        self.answers_per_worker = answers_per_worker


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


def _take_over_stdin() -> socket.socket:
    """The pool's socket, away from the standard streams: a library that prints must not be heard as a verdict."""
    pool = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return pool


def _first_message(pool: socket.socket) -> dict[str, Any]:
    unpacker = Unpacker()
    while piece := pool.recv(1 << 16):
        for message in unpacker.feed(piece):
            return dict(message)
    sys.exit(0)


def _limit(settings: _Settings) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (settings.memory_bytes, settings.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    # From here on stderr has no reader; until now it told the pool why a start failed.
    os.dup2(0, 2)


def _on_alarm(_signal: int, _frame: FrameType | None) -> None:
    raise OutOfTime


def _judge(task: dict[str, Any], seconds: float) -> dict[str, Any]:
    _allow_cpu(seconds)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds, _NAGGING_SECONDS)
            verdict = _verdict(task)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except OutOfTime:
        signal.setitimer(signal.ITIMER_REAL, 0)
        verdict = {"outcome": "timed_out", "retires": True}
    return {"number": task["number"], "retires": False, **verdict}


def _verdict(task: dict[str, Any]) -> dict[str, Any]:
    try:
        reading = scorer_of(task["source"]).read(
            task["text"], task["truth"], mode=task["mode"], lenient=task["lenient"]
        )
    except MemoryError:
        return {"outcome": "exception", "reason": "the answer needs more memory than it may have", "retires": True}
    except TruthError as error:
        return {"outcome": "exception", "reason": str(error)}
    except Exception as error:  # any kind: the verdict says which, and it is counted apart from wrong answers
        return {"outcome": "exception", "reason": f"{type(error).__name__}: {_said(error)}"[:_REASON_CHARACTERS]}
    outcome = "scored" if reading.found else "no_answer"
    return {"outcome": outcome, "score": reading.score, "lenient": reading.lenient}


def _said(error: Exception) -> str:
    try:
        return " ".join(str(error).split())
    except Exception:  # a message made of a sympy expression can fail to be written
        return "(its message cannot be shown)"


def _allow_cpu(seconds: float) -> None:
    """Let the kernel end this process if it computes on well beyond this answer's time, whoever may watch."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    allowed = math.ceil(usage.ru_utime + usage.ru_stime + 2 * seconds) + _CPU_MARGIN_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, resource.RLIM_INFINITY))


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def _send(pool: socket.socket, message: dict[str, Any]) -> None:
    pool.sendall(pack(message))


if __name__ == "__main__":
    main()
