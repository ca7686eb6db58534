"""Sending many rows at once, by each driver's fastest way: COPY on PostgreSQL, one prepared INSERT on SQLite.

Rows are plain values by column, as the tables keep them: nothing is looked up and nothing is changed on the way. A row
that is there already is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, event, select, type_coerce
from sqlalchemy.types import NullType

from db.tables import Base
from db.types import database_now

_COPIED_TYPES = "rlsweep_copied_types"


def insert_many(
    connection: Connection, table: type[Base], columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows of values in the order of `columns`. A missing number is None; a moment is as `clock` gives it."""
    sent = list(rows)
    if not sent:
        return
    listed = ", ".join(columns)
    on_postgresql = connection.dialect.name == "postgresql"
    if on_postgresql and len(sent) > 1:
        # Binary, because finding out how to write each number as text costs more than everything else.
        statement = f"COPY {table.__tablename__} ({listed}) FROM STDIN (FORMAT BINARY)"
        options = {_COPIED_TYPES: _postgresql_types(table, columns, connection.dialect)}
        connection.exec_driver_sql(statement, sent, execution_options=options)
        return
    marks = ", ".join(["%s" if on_postgresql else "?"] * len(columns))
    statement = f"INSERT INTO {table.__tablename__} ({listed}) VALUES ({marks})"  # noqa: S608 - names of our columns
    connection.exec_driver_sql(statement, sent)


def clock(connection: Connection) -> Any:
    """The database's clock now, as its driver gives and takes it."""
    return connection.scalar(select(type_coerce(database_now(), NullType())))


# Not by a cursor of our own: what the driver raises becomes SQLAlchemy's error, and a connection that broke is noticed.
@event.listens_for(Engine, "do_executemany")
def _copy(cursor: Any, statement: str, rows: Sequence[tuple[Any, ...]], context: Any) -> bool:
    types = context.execution_options.get(_COPIED_TYPES)
    if types is None:
        return False
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
    return True


def _postgresql_types(table: type[Base], columns: Sequence[str], dialect: Dialect) -> list[str]:
    """The columns' types by name, without a text's length."""
    kinds = (table.__table__.columns[column].type.compile(dialect) for column in columns)
    return [kind.lower().partition("(")[0] for kind in kinds]
