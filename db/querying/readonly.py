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

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import URL, Connection, CursorResult, Engine, NullPool, Select, TextClause, bindparam, event, text
from sqlalchemy.exc import ArgumentError, StatementError

from db.database import ensure_revision, explained, make_engine, sqlite_path
from db.errors import DatabaseError, SpecError
from db.querying.query_errors import query_error, was_interrupted, was_stopped
from db.querying.result_columns import Row, StreamColumn, result_columns
from db.querying.sqlite_readonly import connect_to_read
from db.types import UtcDateTime

BATCH_ROWS = 10_000
_TIME_LIMIT = "rlsweep_time_limit_seconds"
_CLOCK_CHECK_INSTRUCTIONS = 10_000  # of SQLite's virtual machine: well under a millisecond

AnySelect: TypeAlias = Select[*tuple[Any, ...]]


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
        engine = make_engine(url, creator=partial(connect_to_read, file), poolclass=NullPool)
    else:
        engine = make_engine(url, poolclass=NullPool)
        event.listen(engine, "connect", _begin_read_only)
    ensure_revision(engine, create=False)
    return engine.execution_options(**{_TIME_LIMIT: time_limit_seconds})


@contextmanager
def stream_rows(
    engine: Engine,
    query: str | AnySelect,
    parameters: Mapping[str, Any] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[RowStream]:
    """Run one query on an engine of `open_read_only`. `parameters` are the values of `:name` in its text.

    Raises SpecError with the database's own message if it refuses the query, DatabaseError if the time is over.
    """
    limit: float | None = engine.get_execution_options().get(_TIME_LIMIT)
    with _connect(engine) as connection:
        watch = _Watch(connection, str(query), limit)
        with watch.working():
            result = _execute(connection, query, parameters, batch_rows)
        if not result.returns_rows:
            raise SpecError("That is no query: it has no rows to show. Write a SELECT.")
        columns, tidy = result_columns(result, dialect=engine.dialect.name)
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
            # Also without a limit: Ctrl-C is only seen while Python runs.
            driver.set_progress_handler(self._is_over, _CLOCK_CHECK_INSTRUCTIONS)
        elif limit is not None:
            # The server counts each fetch by itself; they are added up here.
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {math.ceil(limit * 1000)}")

    @contextmanager
    def working(self) -> Iterator[None]:
        """Around every call that lets the database work; what it refuses is raised in the user's terms."""
        self._started = time.monotonic()
        try:
            yield
        except StatementError as error:
            if was_stopped(error) and self._is_over():
                raise self._too_long() from error
            if was_interrupted(error):
                raise KeyboardInterrupt from error
            # It says all that the driver said, and a notebook would show every traceback of a chain.
            raise query_error(self._query, error) from None
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


def _connect(engine: Engine) -> Connection:
    with explained(engine.url):
        return engine.connect()


def _execute(
    connection: Connection, query: str | AnySelect, parameters: Mapping[str, Any] | None, batch_rows: int
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


def _begin_read_only(connection: Any, _record: object) -> None:
    connection.read_only = True  # psycopg then says BEGIN READ ONLY, every time
