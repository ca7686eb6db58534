"""Whether the views are those of this code, and making them again where they are not: they hold no data.

SQLite keeps the text that a view was made with. PostgreSQL keeps its meaning only, so there the text is made into
temporary views, which nobody else sees and which are taken back, and the two meanings are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from db.upkeep.revisions import VIEWS_REVISION
from db.views import views

# A standby makes nothing, and neither does a role that may not; the columns are compared there.
_MAY_COMPARE = "SELECT NOT pg_is_in_recovery() AND has_database_privilege(current_database(), 'TEMPORARY')"


@cache
def definitions() -> dict[str, str]:
    """The text of every view by name; what a view reads from comes before it."""
    folder = files("migrations").joinpath("views", VIEWS_REVISION)
    found = {name: _statement(folder.joinpath(f"{name}.sql").read_text()) for name in views.tables}
    reading = {name: _words(statement) & (found.keys() - {name}) for name, statement in found.items()}
    return {name: found[name] for name in TopologicalSorter(reading).static_order()}


def missing_views(connection: Connection) -> list[str]:
    """Views that are not in the database."""
    present = set(inspect(connection).get_view_names())
    return [name for name in views.tables if name not in present]


def altered_views(connection: Connection) -> list[str]:
    """Views that are there and read something else than this code's; all tables must be there."""
    present = set(views.tables) - set(missing_views(connection))
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
        kept = {row.name: row.sql for row in rows}
        return [name for name in views.tables if name in present and _statement(kept[name]) != definitions()[name]]
    if not connection.exec_driver_sql(_MAY_COMPARE).scalar_one():
        return [name for name in views.tables if name in present and _columns(connection, name) != _described(name)]
    # A view from a backup was made of PostgreSQL's own spelling, which it then spells in another way again.
    found = _respelled(connection, _spelled(connection, present))
    code = {name: statement.partition(" AS\n")[2] for name, statement in definitions().items()}
    wanted = _respelled(connection, _respelled(connection, code))
    return [name for name in views.tables if name in present and found[name] != wanted[name]]


def rebuild_views(connection: Connection, *, altered: Iterable[str]) -> list[str]:
    """Make the missing views, and those that are altered or read from one that is; returns the names of all of them.

    A view that nothing is wrong with stays: others may have been allowed to read it, or have views of their own on it.
    """
    stale, missing = set(altered), set(missing_views(connection))
    for name, statement in definitions().items():
        if name not in missing and _words(statement) & (stale | missing):
            stale.add(name)
    for name in reversed(definitions()):
        if name in stale:
            connection.exec_driver_sql(f"DROP VIEW {name}")
    made = [name for name in definitions() if name in stale | missing]
    for name in made:
        connection.execute(text(definitions()[name]))
    return made


def _statement(kept: str) -> str:
    """A view's statement without the comments before it, which SQLite does not keep."""
    return kept[max(0, kept.find("CREATE VIEW")) :].rstrip()


def _words(statement: str) -> set[str]:
    return set(re.findall(r"\w+", statement.partition(" AS\n")[2]))


def _columns(connection: Connection, name: str) -> list[str]:
    return [column["name"] for column in inspect(connection).get_columns(name)]


def _described(name: str) -> list[str]:
    return [column.name for column in views.tables[name].columns]


def _spelled(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """What the views read, as PostgreSQL spells it."""
    query = "SELECT pg_get_viewdef(CAST(%(name)s AS regclass))"
    return {name: connection.exec_driver_sql(query, {"name": name}).scalar_one() for name in names}


def _respelled(connection: Connection, queries: Mapping[str, str]) -> dict[str, str]:
    """The same for views that are made of these queries and taken back."""
    attempt = connection.begin_nested()
    try:
        for name in definitions():
            if name in queries:
                query = queries[name].replace("%", "%%")  # psycopg takes a lone one for a parameter
                connection.exec_driver_sql(f"CREATE TEMPORARY VIEW {name} AS {query}")
        return _spelled(connection, queries)
    finally:
        attempt.rollback()
