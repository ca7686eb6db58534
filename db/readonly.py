"""Reading with somebody else's SQL, on connections where the database itself refuses every write.

Nothing here reads a query's text to decide whether it may run; the database decides:

* SQLite: the file is opened with mode=ro, `query_only` is on, and an authorizer, asked by SQLite while it compiles
  the statement, allows nothing but reading the tables. Attaching or writing other files is refused too.
* PostgreSQL: the transaction is READ ONLY, and the statement is sent as the query of a cursor through the extended
  protocol: one statement, and only one that returns rows. It can neither end the transaction nor leave it.

Not refused is what a PostgreSQL role may do outside the tables: a superuser's SELECT can end another session or write
a large object to a file of the server. Give people whom you would not trust with that a role that may only SELECT.

Each query has a connection of its own, so nothing that it does to its session outlives it.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, CursorResult, Engine, NullPool, Select, TextClause, bindparam, event, text
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError

from db.catalog import Kind
from db.database import BUSY_TIMEOUT_SECONDS, ensure_revision, make_engine, sqlite_path
from db.errors import DatabaseError, SpecError
from db.query_errors import query_error, was_stopped
from db.types import UtcDateTime

BATCH_ROWS = 20_000
_TIME_LIMIT = "rlsweep_time_limit_seconds"
_CLOCK_CHECK_INSTRUCTIONS = 10_000  # of SQLite's virtual machine: well under a millisecond
_SQLITE_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_SQLITE_PRAGMAS_WITH_ARGUMENT = {
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
}  # fmt: skip
_SQLITE_PRAGMAS = _SQLITE_PRAGMAS_WITH_ARGUMENT | {
    "database_list", "collation_list", "function_list", "compile_options", "encoding", "journal_mode",
    "page_count", "page_size", "freelist_count", "query_only", "schema_version", "user_version", "read_uncommitted",
}  # fmt: skip
# pg_type.oid is fixed for built-in types; what is not here is shown as text.
_POSTGRESQL_KINDS = {
    16: Kind.BOOLEAN,
    20: Kind.INTEGER, 21: Kind.INTEGER, 23: Kind.INTEGER, 26: Kind.INTEGER,
    700: Kind.REAL, 701: Kind.REAL,
    114: Kind.JSON, 3802: Kind.JSON,
    1114: Kind.TIMESTAMP, 1184: Kind.TIMESTAMP,
}  # fmt: skip
_POSTGRESQL_NUMERIC = 1700

Row = tuple[Any, ...]


@dataclass(frozen=True)
class StreamColumn:
    """A column of a result. `kind` is None where the database does not say: always on SQLite, numeric on PostgreSQL."""

    name: str
    kind: Kind | None


@dataclass(frozen=True)
class RowStream:
    """The rows of one query, read from the database batch by batch as they are asked for.

    Values are as the database has them: on SQLite moments and JSON are text and booleans are 0 and 1. A PostgreSQL
    numeric is an int if it is whole, else a float, as SQLite would have it; NaN is None.
    """

    columns: tuple[StreamColumn, ...]
    batches: Iterator[Sequence[Row]]


def open_read_only(url: URL, *, time_limit_seconds: float | None = None) -> Engine:
    """An engine that cannot write, on a database that is there and fits this code; otherwise as `open_database`.

    `time_limit_seconds` is how long the database may work on one query of `stream_rows`; None: for ever.
    """
    if url.get_backend_name() == "sqlite":
        file = sqlite_path(url, must_exist=True)
        engine = make_engine(url, creator=partial(_connect_sqlite, file), poolclass=NullPool)
    else:
        engine = make_engine(url, poolclass=NullPool)
        event.listen(engine, "connect", _begin_read_only)
    ensure_revision(engine, create=False)
    return engine.execution_options(**{_TIME_LIMIT: time_limit_seconds})


@contextmanager
def stream_rows(
    engine: Engine,
    query: str | Select[Any],
    parameters: Mapping[str, Any] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[RowStream]:
    """Run one query on an engine of `open_read_only`. `parameters` are the values of `:name` in its text.

    Raises SpecError with the database's own message if it refuses the query, DatabaseError if the time is over.
    """
    limit: float | None = engine.get_execution_options().get(_TIME_LIMIT)
    with engine.connect() as connection:
        watch = _Watch(connection, str(query), limit)
        with watch.working():
            result = _execute(connection, query, parameters, batch_rows)
        if not result.returns_rows:
            raise SpecError("That is no query: it has no rows to show. Write a SELECT.")
        columns, tidy = _columns(result, sqlite=engine.dialect.name == "sqlite")
        yield RowStream(columns, _batches(result, watch, tidy, batch_rows))


class _Watch:
    """Counts the time that the database works on one query, not the time that its rows lie with the caller."""

    def __init__(self, connection: Connection, query: str, limit: float | None) -> None:
        self._query = query
        self._limit = math.inf if limit is None else limit
        self._spent = 0.0
        self._started = 0.0
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.set_progress_handler(self._is_over, _CLOCK_CHECK_INSTRUCTIONS)  # it lets Ctrl-C through as well
        elif limit is not None:
            # The server counts each fetch by itself; they are added up here.
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, round(limit * 1000))}")

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around every call that lets the database work; what it refuses is raised in the user's terms."""
        self._started = time.monotonic()
        try:
            yield
        except StatementError as error:
            if isinstance(error, DBAPIError) and was_stopped(error):
                raise (self._too_long() if self._is_over() else KeyboardInterrupt()) from error
            raise query_error(self._query, error) from error
        if self._is_over():
            raise self._too_long()
        self._spent += time.monotonic() - self._started

    def _is_over(self) -> bool:
        return self._spent + time.monotonic() - self._started > self._limit

    def _too_long(self) -> DatabaseError:
        return DatabaseError(
            f"The query was stopped after {self._limit:g} s. Ask for less (WHERE, LIMIT), or allow more time: "
            "--timeout on the command line, time_limit_seconds in Python."
        )


def _execute(
    connection: Connection, query: str | Select[Any], parameters: Mapping[str, Any] | None, batch_rows: int
) -> CursorResult[Any]:
    # On PostgreSQL, yield_per is what makes the statement the query of a server-side cursor: see the module.
    reading = connection.execution_options(yield_per=batch_rows)
    if isinstance(query, Select):
        return reading.execute(query)
    # The line break keeps the user's first line apart from the cursor's declaration in error messages.
    if parameters is None:
        return reading.execution_options(no_parameters=True).exec_driver_sql(f"\n{query}")
    return reading.execute(_bound(f"\n{query}", parameters))


def _bound(query: str, parameters: Mapping[str, Any]) -> TextClause:
    binds = [
        bindparam(name, value, UtcDateTime() if isinstance(value, datetime) else None, expanding=_is_many(value))
        for name, value in parameters.items()
    ]
    try:
        return text(query).bindparams(*binds)
    except ArgumentError as error:
        raise SpecError(f"The query has no place for a parameter that was given: {error}") from error


def _is_many(value: object) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _batches(
    result: CursorResult[Any], watch: _Watch, tidy: Callable[[Sequence[Row]], Sequence[Row]], batch_rows: int
) -> Iterator[Sequence[Row]]:
    while True:
        with watch.working():
            rows: Sequence[Any] = result.fetchmany(batch_rows)
        if not rows:
            return
        yield tidy(rows)


def _columns(
    result: CursorResult[Any], *, sqlite: bool
) -> tuple[tuple[StreamColumn, ...], Callable[[Sequence[Row]], Sequence[Row]]]:
    """The result's columns, and what makes a batch of its rows what `RowStream` promises."""
    assert result.cursor is not None, "the result has rows"
    names = list(result.keys())
    if sqlite:
        return tuple(StreamColumn(name, None) for name in names), lambda rows: rows
    codes = [each[1] for each in result.cursor.description]
    columns = tuple(
        StreamColumn(name, None if code == _POSTGRESQL_NUMERIC else _POSTGRESQL_KINDS.get(code, Kind.TEXT))
        for name, code in zip(names, codes, strict=True)
    )
    tidying = {place: _POSTGRESQL_TIDY[code] for place, code in enumerate(codes) if code in _POSTGRESQL_TIDY}
    return columns, partial(_tidied, tidying=tidying)


def _tidied(rows: Sequence[Row], *, tidying: Mapping[int, Callable[[Any], Any]]) -> Sequence[Row]:
    if not tidying:
        return rows
    columns = list(zip(*rows, strict=True))
    for place, tidy in tidying.items():
        columns[place] = tuple(None if value is None else tidy(value) for value in columns[place])
    return list(zip(*columns, strict=True))


def _number(value: Decimal) -> int | float | None:
    """PostgreSQL's numeric: sums of integers are whole, averages are not, and its NaN is a missing number."""
    if value.is_nan():
        return None
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def _real(value: float) -> float | None:
    return None if math.isnan(value) else value


_POSTGRESQL_TIDY: dict[int, Callable[[Any], Any]] = {
    _POSTGRESQL_NUMERIC: _number, 700: _real, 701: _real, 114: json.dumps, 3802: json.dumps,
}  # fmt: skip


def _begin_read_only(connection: Any, _record: object) -> None:
    connection.read_only = True  # psycopg then says BEGIN READ ONLY, every time


def _connect_sqlite(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?{_sqlite_mode(file)}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,  # each SELECT is a transaction by itself
        check_same_thread=False,  # a connection serves one query, but a generator may be resumed anywhere
    )
    connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(_authorize)
    return connection


def _sqlite_mode(file: Path) -> str:
    """How to open `file` for reading only. A WAL database is read through files beside it, which may have to be made.

    Where they cannot be made and nobody writes, the file by itself is whole, and SQLite may take it as immutable.
    Asked for every query anew: a writer may have come since.
    """
    if not os.access(file, os.R_OK):
        raise DatabaseError(f"{file} cannot be read; ask its owner for the permission.")
    log, index = (file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm"))
    if os.access(file.parent, os.W_OK) or (log.exists() and index.exists()):
        return "mode=ro"
    if log.exists() and log.stat().st_size > 0:
        raise DatabaseError(
            f"{log} holds rows that are not in {file.name} yet, and SQLite can only read them where it may write. "
            "Copy both files to a folder of yours and read the copy."
        )
    return "mode=ro&immutable=1"


def _authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    if action == sqlite3.SQLITE_PRAGMA:
        allowed = first in (_SQLITE_PRAGMAS if second is None else _SQLITE_PRAGMAS_WITH_ARGUMENT)
    else:
        allowed = action in _SQLITE_ACTIONS and "load_extension" not in (first, second)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
