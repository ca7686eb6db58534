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
    before = [(number, signal.signal(number, _exit)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
