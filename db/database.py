"""Opening a database: whether one can be there, whether it is ours, and whether its tables fit this code.

A new SQLite file, and an empty PostgreSQL database, get their tables on the spot; anything else that is not at this
code's revision is refused by name.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Engine

from db.connection import postgresql, sqlite
from db.connection.engines import connect
from db.connection.explanations import explained
from db.connection.urls import resolve_url, shown
from db.errors import DatabaseError
from db.upkeep.migrate import make_tables
from db.upkeep.revisions import HEAD_REVISION, read_revision, refuse

__all__ = [
    "check_place",
    "check_single_node",
    "database_exists",
    "ensure_revision",
    "open_database",
    "resolve_url",
]


def open_database(url: URL, *, create: bool = True) -> Engine:
    """An engine on a database whose tables fit this code.

    Raises DatabaseError when there is no answer, or the file cannot be opened, is not SQLite, lies on a network file
    system, belongs to another program, or does not exist and `create` is false; SchemaVersionError (exit 5) when its
    revision is not this code's.
    """
    engine = connect(url, create=create)
    ensure_revision(engine, create=create)
    return engine


def ensure_revision(engine: Engine, *, create: bool) -> None:
    """Connect, and raise as `open_database` does unless the tables fit this code; makes them only if `create`."""
    try:
        with explained(engine.url):
            _ensure_revision(engine, create=create)
    except DatabaseError:
        engine.dispose()
        raise


def database_exists(url: URL) -> bool:
    """Whether there is anything at `url` yet; a server's database is made by its administrator, so it does."""
    return url.get_backend_name() != "sqlite" or Path(url.database or "").exists()


def check_place(url: URL) -> None:
    """Raise DatabaseError if no database can be at `url`, as far as that is known without making one."""
    if url.get_backend_name() == "sqlite":
        sqlite.check_file(url, create=True)


def check_single_node(url: URL, *, num_nodes: int) -> None:
    """Raise DatabaseError if trials on other nodes of a cluster were to write to an SQLite file."""
    if num_nodes > 1 and url.get_backend_name() == "sqlite":
        raise DatabaseError(
            f"The Ray cluster has {num_nodes} nodes, and {url.database} is an SQLite file, which only the processes "
            f"of one host can share. Run on one node, or {sqlite.INSTEAD}"
        )


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
    make_tables(engine)
