"""What is particular to SQLite: where its file may lie, and what every connection to it is told.

It is opened in WAL mode with short transactions: readers begin deferred, writers begin IMMEDIATE, so that two writers
queue up instead of deadlocking.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, event

from db.connection.filesystems import network_mount
from db.errors import DatabaseError

BUSY_TIMEOUT_SECONDS = 30.0
INSTEAD = "use PostgreSQL: --db postgresql+psycopg://user@host/name."
# RETURNING, and ALTER TABLE ... DROP COLUMN in migrations.
_OLDEST = (3, 35)


def sqlite_path(url: URL, *, must_exist: bool) -> Path:
    """The file meant by an SQLite URL. DatabaseError for what is no file; the file is not opened."""
    if not url.database or url.database == ":memory:":
        raise DatabaseError("An in-memory database would be empty in every trial's process; give a file.")
    path = Path(url.database)
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder; give the database a file name, such as {path / 'rlsweep.db'}.")
    if must_exist and not path.exists():
        raise DatabaseError(
            f"There is no database at {path}. `rlsweep submit` and `rlsweep import` make one; --db or RLSWEEP_DB names "
            "another."
        )
    return path


def check_file(url: URL, *, create: bool) -> None:
    """Refuse a path that SQLite cannot use. Never opens the file: closing it would drop this process's locks on it."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise DatabaseError(
            f"This Python comes with SQLite {sqlite3.sqlite_version}; rlsweep needs 3.{_OLDEST[1]} or newer. "
            f"Use another Python, or {INSTEAD}"
        )
    path = sqlite_path(url, must_exist=not create)
    if not path.parent.is_dir():
        raise DatabaseError(f"The folder {path.parent} of the database does not exist; make it first.")
    mount = network_mount(path)
    if mount is not None:
        raise DatabaseError(
            f"{path} lies on a file system that other hosts may share ({mount.fstype}, mounted at {mount.mountpoint}). "
            "SQLite's write-ahead log needs memory that all its users share, so it would be corrupted there. Put "
            f"the file on a disk of this host, or {INSTEAD}"
        )
    if path.exists():
        _check_writable(path)
    else:
        _check_room_for(path)


def _check_room_for(path: Path) -> None:
    try:
        # Permissions do not tell it all; nothing is left behind.
        with tempfile.TemporaryFile(dir=path.parent):
            return
    except OSError as error:
        raise DatabaseError(
            f"Nothing can be written in the folder {path.parent} of the database ({error.strerror}); choose "
            "another place with --db."
        ) from error


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise DatabaseError(
            f"{path} cannot be written (SQLite also writes beside it); make the file and its folder writable, "
            "or choose another database with --db."
        )


def configure(engine: Engine) -> None:
    """Tell every connection how to wait, what to keep safe, and how to begin a transaction."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_SECONDS * 1000)}")
        # What is committed is on the disk: the spool's file, and older checkpoints, are deleted on the strength of it.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("rlsweep_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
