"""COMMENT ON, from the tables and views as this code describes them, so that a database explains itself.

PostgreSQL keeps comments; SQLite has no place for them. They are written whenever the newest revision is reached:
a reworded comment then needs no revision of its own.
"""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.schema import SetColumnComment, SetTableComment

from db.tables import Base
from db.views import views


def write_comments(connection: Connection) -> None:
    """Comment every table, view and column; does nothing where comments cannot be kept."""
    if not connection.dialect.supports_comments:
        return
    for table in Base.metadata.tables.values():
        connection.execute(SetTableComment(table))
        _write_column_comments(connection, table)
    for view in views.tables.values():
        statement = str(SetTableComment(view).compile(dialect=connection.dialect))
        connection.exec_driver_sql(statement.replace("COMMENT ON TABLE", "COMMENT ON VIEW", 1))
        _write_column_comments(connection, view)


def _write_column_comments(connection: Connection, table: Table) -> None:
    for column in table.columns:
        connection.execute(SetColumnComment(column))
