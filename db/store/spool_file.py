"""Records of one attempt in a file on this machine, until the database has them.

One JSON document a line: first whose records they are, then the records, in order. A record is on disk before
`append` returns. A last line without its end was never acknowledged, and counts for nothing. The file is locked as
long as its process lives, so that nobody takes it for one that was left behind.

Nothing else goes into it: no address of the database, no password.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from db.errors import DatabaseError
from db.records import AttemptRecord, Process
from db.store.writing import WRITERS
from db.upkeep.revisions import HEAD_REVISION

SUFFIX = ".jsonl"
# Bounds one transaction: its time on the database, and its memory here.
BATCH_RECORDS = 500
_BATCH_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Owner:
    """The attempt whose records they are. Its process tells it from one of another database, which counts anew."""

    trial_id: int
    number: int
    process: Process


@dataclass(frozen=True)
class Batch:
    """Records that follow each other, and the place in the file where they end."""

    records: tuple[AttemptRecord, ...]
    end: int


class SpoolFile:
    """The file of one attempt; it exists only while records wait in it."""

    def __init__(self, folder: Path, owner: Owner) -> None:
        name = f"attempt-{owner.number:04}-{owner.process.process_started_at:%Y%m%dT%H%M%S%f}{SUFFIX}"
        self.path = folder / name
        self.owner = owner
        self._file: io.FileIO | None = None
        self._size = 0  # up to where the file is whole and on disk
        self._delivered = 0

    @classmethod
    def left_behind(cls, path: Path) -> SpoolFile | None:
        """The file of a process that is gone. DatabaseError if it cannot be understood.

        None if the process lives, or if there is no such file any more: another process has just delivered it.
        """
        file = _locked(path)
        if file is None:
            return None
        content = file.readall()
        header = content[: content.find(b"\n") + 1]
        try:
            owner = _read_header(header)
        except (ValueError, KeyError, TypeError, DatabaseError) as error:
            file.close()
            raise DatabaseError(f"{path} cannot be delivered: {error}") from error
        spool = cls(path.parent, owner)
        spool.path, spool._file = path, file
        spool._delivered, spool._size = len(header), content.rfind(b"\n") + 1
        return spool

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._delivered == self._size

    def append(self, records: Sequence[AttemptRecord]) -> None:
        """Keep records; they are on disk when this returns. OSError if they cannot be, and then none is kept."""
        if not records:
            return
        lines = b"".join(_encode(record) for record in records)
        if self._file is None:
            self._create()
        assert self._file is not None
        # What an append that failed has left is overwritten.
        self._file.seek(self._size)
        self._file.truncate()
        _write(self._file, lines)
        self._size += len(lines)

    def next_batch(self) -> Batch:
        """The next records to be delivered. DatabaseError if the first of them is damaged."""
        records: list[AttemptRecord] = []
        end = self._delivered
        if self.is_empty:
            return Batch((), end)
        with self.path.open("rb") as file:
            file.seek(end)
            for line in islice(file, BATCH_RECORDS):
                if end + len(line) > self._size or (records and end + len(line) - self._delivered > _BATCH_BYTES):
                    break
                try:
                    records.append(_decode(line))
                except (ValueError, KeyError, TypeError) as error:
                    if records:
                        break
                    raise DatabaseError(f"{self.path} is damaged at byte {end}: that is no record.") from error
                end += len(line)
        return Batch(tuple(records), end)

    def mark_delivered(self, batch: Batch) -> None:
        """The database has these. Forgotten when the process dies: they are then delivered again, which is harmless."""
        self._delivered = batch.end

    def remove(self) -> None:
        """Delete the file: everything was delivered."""
        if self._file is not None:
            self.path.unlink()
            self.close()

    def set_aside(self) -> Path:
        """Rename the file, so that nobody tries to deliver it again; returns where it is."""
        aside = self._free_name()
        if self._file is not None:
            self.path.rename(aside)
            self.close()
        return aside

    def close(self) -> None:
        """Let go of the file and its lock."""
        if self._file is not None:
            self._file.close()
            self._file, self._size, self._delivered = None, 0, 0
            _flush_folder(self.path.parent)

    def _free_name(self) -> Path:
        """Of the names of what was refused, the first that is not taken; nobody else gives this attempt's files one."""
        names = (self.path.with_suffix(f".{number}.refused" if number > 1 else ".refused") for number in count(1))
        return next(name for name in names if not name.exists())

    def _create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = io.FileIO(self.path, "x+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            header = _encode_header(self.owner)
            _write(file, header)
            _flush_folder(self.path.parent)
        except OSError:
            self.path.unlink()
            file.close()
            raise
        self._file, self._size, self._delivered = file, len(header), len(header)


def _locked(path: Path) -> io.FileIO | None:
    """The file, locked; None if somebody has the lock, or has deleted or renamed the file."""
    try:
        file = io.FileIO(path, "r+")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had the lock before may have finished with the file since it was opened here.
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in WRITERS}
_OWNER: TypeAdapter[Owner] = TypeAdapter(Owner)


def _encode(record: AttemptRecord) -> bytes:
    return json.dumps({"kind": type(record).__name__, "record": asdict(record)}).encode() + b"\n"


def _decode(line: bytes) -> AttemptRecord:
    document = json.loads(line)
    record: AttemptRecord = _ADAPTERS[document["kind"]].validate_python(document["record"])
    return record


def _encode_header(owner: Owner) -> bytes:
    return json.dumps({"revision": HEAD_REVISION, "owner": _OWNER.dump_python(owner, mode="json")}).encode() + b"\n"


def _read_header(line: bytes) -> Owner:
    document = json.loads(line)
    if document["revision"] != HEAD_REVISION:
        raise DatabaseError(f"it was written for tables of revision {document['revision']}, not {HEAD_REVISION}.")
    return _OWNER.validate_python(document["owner"])


def _write(file: io.FileIO, content: bytes) -> None:
    """All of it, and onto the disk: an unbuffered write may stop in the middle."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """A file that was made, renamed or deleted is so after a crash too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
