"""Temporary folders of processes that may be killed: each is locked while its owner lives.

So whoever comes next on the machine knows those of the dead, kills what they have left running and deletes them. The
lock ends with the owner, however it ends, and holds across containers that share the folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_PREFIX = "rlsweep-tmp-"
# A socket's name has room for 107 characters, of which this folder's own name and Ray's below it take 85.
_LONGEST_PARENT = 22


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder, gone after the block. Those of the dead are cleared before and after."""
    clear_left_behind()
    folder, lock = _locked_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        clear_left_behind()


def clear_left_behind() -> None:
    """Delete the folders whose owners are dead, and kill what works in them."""
    for folder in _parent().glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another one clears it, or it is not ours
            lock = _locked(folder)
            try:
                kill_those_in(folder)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def kill_those_in(folder: Path) -> None:
    """Kill the processes that have this folder for their temporary files: also those that left their group."""
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get("TMPDIR") == str(folder):
                process.kill()


def _parent() -> Path:
    chosen = Path(tempfile.gettempdir())
    return chosen if len(str(chosen)) <= _LONGEST_PARENT else Path("/tmp")  # noqa: S108  (in it each has its own)


def _locked_folder() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_parent()))
        with suppress(OSError):  # it was taken for one of the dead before it was locked
            return folder, _locked(folder)


def _locked(folder: Path) -> int:
    """An open descriptor that holds the lock. Raises OSError where another one has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(folder)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
