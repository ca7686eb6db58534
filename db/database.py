"""Opening a database: whether one can be there, whether it is ours, and whether its tables fit this code.

SQLite is opened in WAL mode with short transactions: readers begin deferred, writers begin IMMEDIATE, so that two
writers queue up instead of deadlocking. A new SQLite file, and an empty PostgreSQL database, get their tables on the
spot; anything else that is not at this code's revision is refused by name.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from db.connection import postgresql
from db.connection.filesystems import network_mount
from db.connection.urls import DEFAULT_URL, resolve_url, shown
from db.errors import DatabaseError
from db.upkeep.revisions import HEAD_REVISION, VERSION_TABLE, read_revision, refuse

__all__ = [
    "BUSY_TIMEOUT_SECONDS",
    "DEFAULT_URL",
    "HEAD_REVISION",
    "VERSION_TABLE",
    "begin_write",
    "check_place",
    "check_single_node",
    "connect",
    "database_exists",
    "ended",
    "ensure_revision",
    "explained",
    "make_engine",
    "open_database",
    "reason",
    "resolve_url",
    "sqlite_path",
]

BUSY_TIMEOUT_SECONDS = 30.0
# RETURNING, and ALTER TABLE ... DROP COLUMN in migrations.
_OLDEST_SQLITE = (3, 35)
_NO_DATABASE = ". Name an SQLite file with --db, or one that is not there yet; if this was one, restore a backup"
_INSTEAD = "use PostgreSQL: --db postgresql+psycopg://user@host/name."


def open_database(url: URL, *, create: bool = True) -> Engine:
    """An engine on a database whose tables fit this code.

    Raises DatabaseError when there is no answer, or the file cannot be opened, is not SQLite, lies on a network file
    system, belongs to another program, or does not exist and `create` is false; SchemaVersionError (exit 5) when its
    revision is not this code's.
    """
    engine = connect(url, create=create)
    ensure_revision(engine, create=create)
    return engine


def connect(url: URL, *, create: bool = False) -> Engine:
    """An engine on a database at whatever revision; it has not connected yet. Only maintenance wants this one."""
    if url.get_backend_name() == "sqlite":
        _check_sqlite_file(url, create=create)
        engine = make_engine(url)
        _configure_sqlite(engine)
        return engine
    engine = make_engine(url, **postgresql.POOL)
    event.listen(engine, "connect", lambda connection, _record: postgresql.prepare_session(connection))
    return engine


def make_engine(url: URL, **options: Any) -> Engine:
    """An engine that has not connected yet. DatabaseError if the database's driver is not installed."""
    on_server = url.get_backend_name() != "sqlite"
    arguments = postgresql.connect_arguments(url) if on_server else {}
    try:
        engine = create_engine(url, connect_args=arguments, **options)
    except ModuleNotFoundError as error:
        raise DatabaseError(f"{error.name} is not installed; PostgreSQL needs rlsweep[postgres].") from error
    if on_server:
        # Before SQLAlchemy's own first questions, whose answers it could not read.
        event.listen(engine, "connect", lambda new, _record: postgresql.check_encoding(new, url), insert=True)
    return engine


def ensure_revision(engine: Engine, *, create: bool) -> None:
    """Connect, and raise as `open_database` does unless the tables fit this code; makes them only if `create`."""
    try:
        with explained(engine.url):
            _ensure_revision(engine, create=create)
    except DatabaseError:
        engine.dispose()
        raise


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Around what uses a database: what its driver raises becomes a DatabaseError of one sentence."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"Cannot use the database {shown(url)}: {ended(reason(url, error))}") from error


def reason(url: URL, error: DBAPIError) -> str:
    """What an error of the driver means, as the end of a sentence; it holds no password."""
    if url.get_backend_name() != "sqlite":
        return postgresql.explain(url, error).rstrip(".")
    is_other_file = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB
    return f"{error.orig}{_NO_DATABASE if is_other_file else ''}".rstrip(".")


def ended(sentence: str) -> str:
    """The sentence with a stop, unless it ends with one."""
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


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


def database_exists(url: URL) -> bool:
    """Whether there is anything at `url` yet; a server's database is made by its administrator, so it does."""
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def check_place(url: URL) -> None:
    """Raise DatabaseError if no database can be at `url`, as far as that is known without making one."""
    if url.get_backend_name() == "sqlite":
        _check_sqlite_file(url, create=True)


def check_single_node(url: URL, *, num_nodes: int) -> None:
    """Raise DatabaseError if trials on other nodes of a cluster were to write to an SQLite file."""
    if num_nodes > 1 and url.get_backend_name() == "sqlite":
        raise DatabaseError(
            f"The Ray cluster has {num_nodes} nodes, and {url.database} is an SQLite file, which only the processes "
            f"of one host can share. Run on one node, or {_INSTEAD}"
        )


def begin_write(engine: Engine) -> Any:
    """A write transaction as a context manager yielding a Connection; on SQLite it begins IMMEDIATE."""
    return engine.execution_options(rlsweep_write=True).begin()


def _check_sqlite_file(url: URL, *, create: bool) -> None:
    """Refuse a path that SQLite cannot use. Never opens the file: closing it would drop this process's locks on it."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise DatabaseError(
            f"This Python comes with SQLite {sqlite3.sqlite_version}; rlsweep needs 3.{_OLDEST_SQLITE[1]} or newer. "
            f"Use another Python, or {_INSTEAD}"
        )
    path = sqlite_path(url, must_exist=not create)
    if not path.parent.is_dir():
        raise DatabaseError(f"The folder {path.parent} of the database does not exist; make it first.")
    mount = network_mount(path)
    if mount is not None:
        raise DatabaseError(
            f"{path} lies on a file system that other hosts may share ({mount.fstype}, mounted at {mount.mountpoint}). "
            "SQLite's write-ahead log needs memory that all its users share, so it would be corrupted there. Put "
            f"the file on a disk of this host, or {_INSTEAD}"
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


def _configure_sqlite(engine: Engine) -> None:
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


def _ensure_revision(engine: Engine, *, create: bool) -> None:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            postgresql.check_server(connection)
        revision = read_revision(connection)
    if revision == HEAD_REVISION:
        return
    if revision is not None:
        refuse(shown(engine.url), revision)
    if not create:
        raise DatabaseError(f"{shown(engine.url)} is empty. `rlsweep submit` and `rlsweep import` make its tables.")

    from db.upkeep.migrate import make_tables

    make_tables(engine)
