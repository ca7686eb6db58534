"""Reading logs that may be long, that grow while they are read, and that hold what a model said."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_BLOCK_BYTES = 2**16
_POLL_SECONDS = 0.3
# Colours and cursor movements first, then any other control character but the tab: none may reach a terminal.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def last_lines(log: Path, number: int) -> tuple[list[str], int]:
    """The last lines of a log, read from its end, and the position after them."""
    with log.open("rb") as file:
        position = end = file.seek(0, 2)
        tail = b""
        while position > 0 and tail.count(b"\n") <= number:
            step = min(_BLOCK_BYTES, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
    whole, newline, begun = tail.rpartition(b"\n")
    lines = _decoded(whole + newline)
    return lines[-number:] if number else [], end - len(begun)


def new_lines(log: Path, position: int, *, is_over: Callable[[], bool]) -> Iterator[str]:
    """Lines after `position` as they are written, until `is_over` and nothing is left.

    A log that is shortened meanwhile goes on with what is written after that.
    """
    begun = b""
    while True:
        last = is_over()  # asked before reading, so that what was written before the end is read
        size = log.stat().st_size
        if size < position:
            position, begun = size, b""
        with log.open("rb") as file:
            file.seek(position)
            read = begun + file.read()
            position = file.tell()
        whole, newline, begun = read.rpartition(b"\n")
        yield from _decoded(whole + newline)
        if last:
            yield from _decoded(begun)
            return
        time.sleep(_POLL_SECONDS)


def _decoded(text: bytes) -> list[str]:
    """Lines without anything that a terminal would take for an order. A progress bar leaves its last state."""
    lines = text.decode(errors="replace").replace("\r\n", "\n").split("\n")
    shown = [_CONTROL.sub("\ufffd", _ESCAPE.sub("", line.rstrip("\r").rpartition("\r")[2])) for line in lines]
    return shown[:-1] if shown and shown[-1] == "" else shown
