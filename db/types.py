"""Column types and SQL expressions that mean the same on SQLite and on PostgreSQL.

Time is the database's, never a worker's: leases of many hosts are compared, and their clocks differ.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Double, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, aware in Python. PostgreSQL keeps the zone; SQLite keeps ISO text without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; store moments in UTC")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        return _read_sqlite if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _read_sqlite(text: str | None) -> datetime | None:
    """Parsed with its zone at once: the moments of thousands of trials are read at a time."""
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


class database_now(FunctionElement[datetime]):
    """The database's clock now, plus `seconds`; the clock's own time, not the transaction's start."""

    type = UtcDateTime()
    # The seconds are a bound value, so that statements which differ in nothing else are compiled once.
    inherit_cache = True

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(*([literal(float(seconds), Double())] if seconds else []))


@compiles(database_now, "sqlite")
def _sqlite_now(element: database_now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    later = f", printf('%+.3f seconds', {seconds})" if seconds else ""
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{later})"


@compiles(database_now, "postgresql")
def _postgresql_now(element: database_now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"clock_timestamp() + make_interval(secs => {seconds})" if seconds else "clock_timestamp()"


class leases_end_before(FunctionElement[datetime]):
    """The moment before which a lease must have ended to have run out: the database's clock now.

    A server that was away could not be told that a trial lives, so for `grace` seconds after its start nothing has
    run out.
    """

    type = UtcDateTime()
    inherit_cache = False

    def __init__(self, grace: float) -> None:
        super().__init__()
        self.grace = float(grace)


@compiles(leases_end_before, "sqlite")
def _sqlite_leases(element: leases_end_before, compiler: SQLCompiler, **_: Any) -> str:
    return compiler.process(database_now())


@compiles(leases_end_before, "postgresql")
def _postgresql_leases(element: leases_end_before, compiler: SQLCompiler, **_: Any) -> str:
    started = f"pg_postmaster_start_time() + make_interval(secs => {element.grace:.3f})"
    return f"CASE WHEN clock_timestamp() < {started} THEN '-infinity' ELSE clock_timestamp() END"
