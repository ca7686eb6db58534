"""Which database is meant, and how it is called in messages: never with its password."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from db.errors import DatabaseError

DEFAULT_URL = "rlsweep.db"
_DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg"}


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
    backend = url.get_backend_name()
    if backend not in _DRIVERS:
        raise DatabaseError(f"rlsweep runs on SQLite and PostgreSQL, not on {backend}.")
    if url.get_driver_name() != _DRIVERS[backend]:
        raise DatabaseError(
            f"rlsweep reaches {backend} through {_DRIVERS[backend]}, not through {url.get_driver_name()}: "
            f"write {backend}+{_DRIVERS[backend]}://..."
        )
    if backend == "sqlite" and url.database not in (None, "", ":memory:"):
        # Trials run in other folders than the one that a relative path was meant for.
        return url.set(database=str(Path(str(url.database)).expanduser().absolute()))
    return url


def shown(url: URL) -> str:
    """A URL without what may be secret: the password, and the query, which may hold one too."""
    return url.set(query={}).render_as_string()


def _redacted(given: str) -> str:
    scheme, _, rest = given.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if "@" in rest else given
