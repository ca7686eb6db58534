"""Reading with somebody else's SQL, on connections where the database itself refuses every write.

Nothing here reads a query's text to decide whether it may run; the database decides:

* SQLite: the file is opened with mode=ro, `query_only` is on, and an authorizer, asked by SQLite while it compiles
  the statement, allows nothing but reading the tables. Attaching or writing other files is refused too.
* PostgreSQL: the transaction is READ ONLY, and the statement is sent as the query of a cursor through the extended
  protocol: one statement, and only one that returns rows. It can neither end the transaction nor leave it.

Not refused is what a PostgreSQL role may do outside the tables: a superuser's SELECT can end another session, read and
write files of the server, or change its settings. `superuser` tells such a role, which nobody needs for reading.

Only one thing about a query's text is looked at, and not to refuse it: EXPLAIN is no query of a cursor, so it is sent
as a prepared statement, which is one statement too, in the same READ ONLY transaction.

Each query has a connection of its own, so nothing that it does to its session outlives it.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import URL, Connection, CursorResult, Engine, NullPool, Select, event, inspect
from sqlalchemy.exc import DBAPIError, StatementError

from db.connection.engines import connect, make_engine
from db.connection.explanations import explained
from db.connection.sqlite import sqlite_path
from db.database import ensure_revision
from db.errors import DatabaseError, SpecError
from db.querying.parameters import bind
from db.querying.query_errors import query_error, was_interrupted, was_stopped
from db.querying.result_columns import Row, StreamColumn, result_columns
from db.querying.sqlite_readonly import connect_to_inspect, connect_to_read

BATCH_ROWS = 10_000
_TIME_LIMIT = "rlsweep_time_limit_seconds"
_CLOCK_CHECK_INSTRUCTIONS = 10_000  # of SQLite's virtual machine: well under a millisecond
_EXPLAIN = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*EXPLAIN\b", re.IGNORECASE | re.DOTALL)

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

    `time_limit_seconds` is how long the database may work on one query of `stream_rows`; None: for ever. SpecError if
    that is no number above 0.
    """
    _check_limit(time_limit_seconds)
    if url.get_backend_name() == "sqlite":
        file = sqlite_path(url, must_exist=True)
        engine = make_engine(url, creator=partial(connect_to_read, file), poolclass=NullPool)
    else:
        engine = make_engine(url, poolclass=NullPool)
        event.listen(engine, "connect", _begin_read_only)
    ensure_revision(engine, create=False)
    return engine.execution_options(**{_TIME_LIMIT: time_limit_seconds})


def open_to_inspect(url: URL) -> Engine:
    """An engine on a database at whatever revision, for maintenance that only looks; it has not connected yet.

    An SQLite file may lie where nothing can be written.
    """
    if url.get_backend_name() != "sqlite":
        return connect(url)
    file = sqlite_path(url, must_exist=True)
    engine = make_engine(url, creator=partial(connect_to_inspect, file), poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def superuser(engine: Engine) -> str | None:
    """The PostgreSQL role that `engine` connects as if it is a superuser, whose queries can do more than read."""
    if engine.dialect.name == "sqlite":
        return None
    with _connect(engine) as connection:
        found = connection.exec_driver_sql("SELECT current_user, current_setting('is_superuser')").one()
    return str(found[0]) if found[1] == "on" else None


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
        self._engine = connection.engine
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
            raise query_error(self._query, error, present=self._present(error)) from None
        if self._is_over():
            raise self._too_long()
        self._spent += time.monotonic() - self._started

    def _present(self, error: StatementError) -> set[str]:
        """The tables and views that are in the database; empty where it cannot be asked any more."""
        if not isinstance(error, DBAPIError) or error.connection_invalidated:
            return set()
        with _connect(self._engine) as connection:
            found = inspect(connection)
            return {*found.get_table_names(), *found.get_view_names()}

    def _is_over(self) -> bool:
        return self._spent + time.monotonic() - self._started > self._limit

    def _too_long(self) -> DatabaseError:
        return DatabaseError(
            f"The query was stopped after {self._limit:g} s. Ask for less (WHERE, LIMIT), or allow more time: "
            "--timeout on the command line, rlsweep.open(..., time_limit_seconds=...) in Python."
        )


def _connect(engine: Engine) -> Connection:
    with explained(engine.url):
        return engine.connect()


def _execute(
    connection: Connection, query: str | AnySelect, parameters: Mapping[str, Any] | None, batch_rows: int
) -> CursorResult[Any]:
    if connection.dialect.name == "postgresql" and isinstance(query, str) and _EXPLAIN.match(query):
        driver: Any = connection.connection.driver_connection
        driver.prepare_threshold = 0
    else:
        # On PostgreSQL, yield_per is what makes the statement the query of a server-side cursor: see the module.
        connection = connection.execution_options(yield_per=batch_rows)
    if isinstance(query, Select):
        return connection.execute(query)
    if not isinstance(query, str):
        raise SpecError(f"The query is {query!r}, which is no text; write a SELECT.")
    # The line break keeps the user's first line apart from the cursor's declaration in error messages.
    statement, values = bind(f"\n{query}", parameters, dialect=connection.dialect.name)
    if values is None:
        return connection.execution_options(no_parameters=True).exec_driver_sql(statement)
    return connection.exec_driver_sql(statement, values)


def _check_limit(seconds: float | None) -> None:
    if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
        raise SpecError(f"The time limit is {seconds!r}; give a number of seconds above 0, or None for no limit.")


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
