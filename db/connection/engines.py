"""Engines: connections that are made when they are needed, each told what its database must know.

Nothing here asks what is in the database; `db.database` does.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from db.connection import postgresql, sqlite
from db.errors import DatabaseError


def connect(url: URL, *, create: bool = False) -> Engine:
    """An engine on a database at whatever revision; it has not connected yet. Only maintenance wants this one."""
    if url.get_backend_name() == "sqlite":
        sqlite.check_file(url, create=create)
        engine = make_engine(url)
        sqlite.configure(engine)
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


def begin_write(engine: Engine) -> Any:
    """A write transaction as a context manager yielding a Connection; on SQLite it begins IMMEDIATE."""
    return engine.execution_options(rlsweep_write=True).begin()
