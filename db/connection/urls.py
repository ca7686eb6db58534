"""Which database is meant, and how it is called in messages: never with its password."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from db.errors import DatabaseError

DEFAULT_URL = "rlsweep.db"
_HOW = (
    "Give a path for SQLite, or postgresql+psycopg://user:password@host:port/name, in which @ : / and % of a password "
    "are written as %40 %3A %2F and %25."
)
_DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg"}


def resolve_url(value: str | os.PathLike[str] | None) -> URL:
    """The database meant by `--db`, else by `RLSWEEP_DB`, else `rlsweep.db` here; a bare path is SQLite."""
    given = _as_text(value) or os.environ.get("RLSWEEP_DB") or DEFAULT_URL
    if "://" not in given:
        if "password=" in given:
            raise DatabaseError(f"The database is given as keywords, not as a URL. {_HOW}")
        return URL.create("sqlite", database=str(Path(given).expanduser().absolute()))
    try:
        url = make_url(given)
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError):
        # What the parser says quotes the part that it took for a port, which may be half a password.
        raise DatabaseError(f"{_scheme(given)} is not a database URL that can be used here. {_HOW}") from None
    if "@" in (url.host or ""):
        raise DatabaseError(f"The host of {_scheme(given)} has an `@` in it: a password's must be written as %40.")
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


def _as_text(value: object) -> str | None:
    """A path or URL as text. From Python it may be of any type."""
    if value is None or isinstance(value, str):
        return value
    path = os.fspath(value) if isinstance(value, os.PathLike) else None
    if not isinstance(path, str):
        raise DatabaseError(f"The database is given as {value!r}, which is neither a path nor text. {_HOW}")
    return path


def shown(url: URL) -> str:
    """A URL without what may be secret: the password, and the query, which may hold one too."""
    return url.set(query={}).render_as_string()


def _scheme(given: str) -> str:
    """A URL that could not be read, without anything that may be secret."""
    return f"`{given.partition('://')[0]}://...`"
