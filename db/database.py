"""Opening a database: which one, whether it is ours, and whether its tables fit this code.

SQLite is opened in WAL mode with short transactions: readers begin deferred, writers begin IMMEDIATE, so that two
writers queue up instead of deadlocking. A new SQLite file gets its tables on the spot; anything else that is not
at this code's revision is refused by name.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from db.errors import DatabaseError, SchemaVersionError

DEFAULT_URL = "rlsweep.db"
VERSION_TABLE = "rlsweep_alembic_version"
HEAD_REVISION = "0002"
BUSY_TIMEOUT_SECONDS = 30.0


def resolve_url(value: str | None) -> URL:
    """The database meant by `--db`, else by `RLSWEEP_DB`, else `rlsweep.db` here; a bare path is SQLite."""
    given = value or os.environ.get("RLSWEEP_DB") or DEFAULT_URL
    if "://" not in given:
        return URL.create("sqlite", database=str(Path(given).expanduser().absolute()))
    try:
        url = make_url(given)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        raise DatabaseError(
            f"`{_redacted(given)}` is not a database URL that can be used here ({error}). "
            "Give a path for SQLite, or postgresql+psycopg://user@host/name."
        ) from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseError(f"rlsweep runs on SQLite and PostgreSQL, not on {url.get_backend_name()}.")
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        # Trials run in other folders than the one that a relative path was meant for.
        return url.set(database=str(Path(str(url.database)).expanduser().absolute()))
    return url


def open_database(url: URL, *, create: bool = True) -> Engine:
    """An engine on a database whose tables fit this code.

    Raises DatabaseError when the file cannot be opened, is not SQLite, belongs to another program, or does not
    exist and `create` is false; SchemaVersionError (exit 5) when its revision is not this code's.
    """
    if url.get_backend_name() == "sqlite":
        _check_sqlite_file(url, create=create)
    engine = make_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    if url.get_backend_name() == "sqlite":
        _configure_sqlite(engine)
    ensure_revision(engine, create=create)
    return engine


def make_engine(url: URL, **options: Any) -> Engine:
    """An engine that has not connected yet. DatabaseError if the database's driver is not installed."""
    try:
        return create_engine(url, **options)
    except ModuleNotFoundError as error:
        raise DatabaseError(f"{error.name} is not installed; PostgreSQL needs rlsweep[postgres].") from error


def ensure_revision(engine: Engine, *, create: bool) -> None:
    """Connect, and raise as `open_database` does unless the tables fit this code; makes them only if `create`."""
    try:
        _ensure_revision(engine, create=create)
    except DBAPIError as error:
        engine.dispose()
        raise DatabaseError(
            f"Cannot open the database {_shown(engine.url)}: {error.orig}. Choose another one with --db."
        ) from error


def sqlite_path(url: URL, *, must_exist: bool) -> Path:
    """The file meant by an SQLite URL. DatabaseError for what is no file; the file is not opened."""
    if not url.database or url.database == ":memory:":
        raise DatabaseError("An in-memory database would be empty in every trial's process; give a file.")
    path = Path(url.database)
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder; give the database a file name, such as {path / 'rlsweep.db'}.")
    if must_exist and not path.exists():
        raise DatabaseError(
            f"There is no database at {path}. `rlsweep submit` makes one; --db or RLSWEEP_DB names another."
        )
    return path


def database_exists(url: URL) -> bool:
    """Whether there is anything at `url` yet; a server's database is made by its administrator, so it does."""
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def check_place(url: URL) -> None:
    """Raise DatabaseError if no database can be at `url`, as far as that is known without making one."""
    if url.get_backend_name() == "sqlite":
        _check_sqlite_file(url, create=True)


def begin_write(engine: Engine) -> Any:
    """A write transaction as a context manager yielding a Connection; on SQLite it begins IMMEDIATE."""
    return engine.execution_options(rlsweep_write=True).begin()


def _shown(url: URL) -> str:
    """A URL without what may be secret: the password, and the query, which may hold one too."""
    return url.set(query={}).render_as_string()


def _redacted(given: str) -> str:
    scheme, _, rest = given.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if "@" in rest else given


def _check_sqlite_file(url: URL, *, create: bool) -> None:
    """Refuse a path that SQLite cannot use. Never opens the file: closing it would drop this process's locks on it."""
    path = sqlite_path(url, must_exist=not create)
    if not path.exists():
        if not path.parent.is_dir():
            raise DatabaseError(f"The folder {path.parent} of the database does not exist; make it first.")
        try:
            with tempfile.TemporaryFile(dir=path.parent):  # permissions do not tell it all; nothing is left behind
                return
        except OSError as error:
            raise DatabaseError(
                f"Nothing can be written in the folder {path.parent} of the database ({error.strerror}); choose "
                "another place with --db."
            ) from error
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
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("rlsweep_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _ensure_revision(engine: Engine, *, create: bool) -> None:
    with engine.connect() as connection:
        revision = _revision(connection)
    if revision == HEAD_REVISION:
        return
    if revision is not None:
        _refuse(engine, revision)
    if not create:
        raise DatabaseError(f"{_shown(engine.url)} is empty. `rlsweep submit` makes its tables.")
    _make_tables(engine)


def _make_tables(engine: Engine) -> None:
    from db.migrate import create_tables

    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            # Kept in the file. Not before the file is known to be ours, and not inside a transaction.
            connection.connection.driver_connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[union-attr]
    with begin_write(engine) as connection:
        # Another process may have made the tables while this one waited for the write lock.
        if _revision(connection) is None:
            create_tables(connection)


def _revision(connection: Connection) -> str | None:
    """The revision the tables are at; None for an empty database. Refuses tables that are not ours."""
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        return str(connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one())  # noqa: S608
    if tables:
        shown = ", ".join(sorted(tables)[:3])
        raise DatabaseError(
            f"{_shown(connection.engine.url)} holds another program's tables ({shown}, ...). "
            "Choose another database with --db."
        )
    return None


def _refuse(engine: Engine, revision: str) -> NoReturn:
    where = _shown(engine.url)
    if revision > HEAD_REVISION:
        raise SchemaVersionError(
            f"{where} is at revision {revision}, newer than this rlsweep's {HEAD_REVISION}. Upgrade rlsweep."
        )
    raise SchemaVersionError(
        f"{where} is at revision {revision}, older than this rlsweep's {HEAD_REVISION}, and cannot be read by it."
    )
