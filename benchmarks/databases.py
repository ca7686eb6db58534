"""The databases that the store is measured in: an SQLite file and a PostgreSQL server, in temporary folders.

Both keep what they have acknowledged as they do by default. SQLite is opened as rlsweep opens it, with a write-ahead
log and `synchronous` FULL. PostgreSQL runs with its own settings, `fsync`, `full_page_writes` and
`synchronous_commit` on, except where a benchmark fills it with made-up rows.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text

from db.connection.urls import resolve_url
from db.database import open_database
from tests.postgresql import PostgresqlServer

_DURABILITY = ("fsync", "full_page_writes", "synchronous_commit")
_GB = 1_000_000_000


@contextmanager
def temporary_folder(*, needed_bytes: float = 0.0) -> Iterator[Path]:
    """A folder that is removed at the end; leaves the program if its disk has no room for what is to be written."""
    place = Path(tempfile.gettempdir())
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        sys.exit(
            f"{place} has {free / _GB:.1f} GB free, and the benchmark needs {needed_bytes / _GB:.1f} GB. "
            "Name another folder in TMPDIR, or make the databases smaller with --trials."
        )
    folder = Path(tempfile.mkdtemp(prefix="rlsweep-benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def sqlite_database(*, needed_bytes: float = 0.0) -> Iterator[Engine]:
    """A new SQLite file with the newest tables."""
    with temporary_folder(needed_bytes=needed_bytes) as folder:
        engine = open_database(resolve_url(str(folder / "rlsweep.db")))
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def postgresql_server(*, needed_bytes: float = 0.0) -> Iterator[PostgresqlServer]:
    """A new PostgreSQL server."""
    with temporary_folder(needed_bytes=needed_bytes):
        server = PostgresqlServer.launch()
    try:
        server.execute("ALTER SYSTEM SET max_wal_size = '1GB'")
        set_durability(server, on=True)
        server.make_template()
        yield server
    finally:
        server.delete()


@contextmanager
def postgresql_database(server: PostgresqlServer) -> Iterator[Engine]:
    """A new database of the server, with the newest tables."""
    url = server.new_database()
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()
        server.drop_database(url)


def set_durability(server: PostgresqlServer, *, on: bool) -> None:
    """Let what is committed survive a power cut, as PostgreSQL does by default, or not."""
    for setting in _DURABILITY:
        server.execute(f"ALTER SYSTEM SET {setting} = {'on' if on else 'off'}")
    server.execute("SELECT pg_reload_conf()")


def size_in_bytes(engine: Engine) -> float:
    """What all tables and indexes take."""
    statement = (
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        if engine.dialect.name == "sqlite"
        else "SELECT pg_database_size(current_database())"
    )
    with engine.connect() as connection:
        return float(connection.execute(text(statement)).scalar_one())
