"""A command that is told to end, or whose terminal is closed, tidies up as one that is interrupted does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_tidily() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP raise SystemExit (128 + their number), so that half-written files are removed."""
    # Under nohup a terminal that closes is to be ignored.
    caught = [number for number in _SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in caught:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
