"""A driver's exceptions as one sentence that says what to do, without secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from db.connection import postgresql
from db.connection.urls import shown
from db.errors import DatabaseError

_NO_DATABASE = ". Name an SQLite file with --db, or one that is not there yet; if this was one, restore a backup"


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
