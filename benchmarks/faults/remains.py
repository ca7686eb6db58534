"""What a round leaves behind, and ought not to: processes with their ports, temporary files, shared memory."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_MARK = "FAULTS_ROUND"  # in the environment of all that a round starts, however far it has wandered off
_END_SECONDS = 15.0  # within which everything has to be gone


@dataclass
class Remains:
    """What was found at the end of a round."""

    processes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


@contextmanager
def looked_over(folder: Path, name: str) -> Iterator[Remains]:
    """Mark what is started in the block and give it `folder` for temporary files; afterwards see what is left."""
    folder.mkdir()
    os.environ |= {_MARK: name, "TMPDIR": str(folder)}
    tempfile.tempdir = None  # read anew
    shared_before, found = _shared_memory(), Remains()
    yield found
    deadline = time.monotonic() + _END_SECONDS
    while (living := _marked(name)) and time.monotonic() < deadline:
        time.sleep(0.5)
    found.processes = [f"{each.pid}: {' '.join(each.cmdline())[:100]} {_ports(each)}" for each in living]
    found.files = [str(path) for path in folder.iterdir()] + sorted(_shared_memory() - shared_before)


@contextmanager
def unmarked() -> Iterator[None]:
    """What is started in the block outlives the round."""
    mark = os.environ.pop(_MARK)
    try:
        yield
    finally:
        os.environ[_MARK] = mark


def _marked(name: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == name and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [each for each in found if each.pid != os.getpid()]


def _ports(process: psutil.Process) -> str:
    try:
        ports = [each.laddr.port for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
    return f"listens at {ports}" if ports else ""


def _shared_memory() -> set[str]:
    """Objects of this user, those of databases not counted."""
    found = set()
    for path in Path("/dev/shm").iterdir():
        try:
            if path.stat().st_uid == os.getuid() and "PostgreSQL" not in path.name:
                found.add(str(path))
        except FileNotFoundError:
            continue
    return found
