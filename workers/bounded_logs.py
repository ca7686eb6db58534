"""Keeping logs from filling the disk, whoever writes them: a trial's processes, its engine's, and what those start.

Of a log that grows too long the beginning stays, with versions and settings, and the newest part; what was between is
replaced by a line that says how much it was. All writers append to the same file, so it can be shortened under them;
what they write in that moment is lost.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

LIMIT_BYTES = 64 * 2**20
_BEGINNING_BYTES = 2**20
_LOOK_SECONDS = 10.0


def keep_bounded(folder: Path) -> None:
    """See to the logs of a folder from a thread, until the process ends."""
    threading.Thread(target=_watch, args=(folder,), name="logs", daemon=True).start()


def shorten(log: Path, *, limit: int = LIMIT_BYTES, beginning: int = _BEGINNING_BYTES) -> bool:
    """Shorten a log that is longer than `limit` bytes to half of that; returns whether it was."""
    size = log.stat().st_size
    if size <= limit:
        return False
    with log.open("rb") as file:
        start = file.read(beginning).rpartition(b"\n")[0]
        file.seek(size - limit // 2)
        newest = file.read().partition(b"\n")[2]
    dropped = size - len(start) - len(newest)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    try:
        os.ftruncate(descriptor, len(start))
        os.write(descriptor, b"\n... %d bytes left out: this log had grown too long ...\n" % dropped + newest)
    finally:
        os.close(descriptor)
    return True


def _watch(folder: Path) -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK_SECONDS):
        for log in folder.glob("*.log"):
            try:
                shorten(log)
            except OSError as error:  # a full disk, say: the next look may find room
                with suppress(OSError):
                    print(f"{log} was not shortened: {error}", file=sys.stderr, flush=True)
