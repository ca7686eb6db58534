"""Which revision a database's tables are at, and whether this code can use them.

A revision's number is its place in the history: 0001 came first.
"""

from __future__ import annotations

from typing import NoReturn

from sqlalchemy import Connection, inspect, text

from db.connection.urls import shown
from db.errors import DatabaseError, SchemaVersionError

# Not Alembic's usual name: other programs may keep their own history in the same database.
VERSION_TABLE = "rlsweep_alembic_version"
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
HEAD_REVISION = REVISIONS[-1]
VIEWS_REVISION = "0005"  # the last one that changed a view
# Every revision has had them; another program's database does not hold all four.
_OURS = {"sweep", "trial", "attempt", "step"}


def read_revision(connection: Connection) -> str | None:
    """The revision that the tables are at; None for an empty database.

    DatabaseError for tables that are not ours, and for ours where the row that names their revision is lost.
    """
    tables = set(inspect(connection).get_table_names())
    found: list[str] = []
    if VERSION_TABLE in tables:
        found = list(connection.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}")))  # noqa: S608
    if len(found) == 1:
        return found[0]
    if found or tables >= _OURS:
        raise DatabaseError(
            f"{shown(connection.engine.url)} is damaged: it holds rlsweep's tables, but not the one row of "
            f"{VERSION_TABLE} that names their revision. Restore a backup."
        )
    if tables - {VERSION_TABLE}:
        named = ", ".join(sorted(tables)[:3])
        raise DatabaseError(
            f"{shown(connection.engine.url)} holds another program's tables ({named}, ...). "
            "Choose another database with --db."
        )
    return None


def is_older(revision: str) -> bool:
    """Whether a database at `revision` can be upgraded to this code's."""
    return revision in REVISIONS[:-1]


def refuse(where: str, revision: str) -> NoReturn:
    """Raise SchemaVersionError, saying which side is older and what to do about it."""
    if is_older(revision):
        raise SchemaVersionError(
            f"{where} is at revision {revision}, older than this rlsweep's {HEAD_REVISION}. "
            "When no trial is running, bring it up to date with `rlsweep db upgrade`, which makes a backup first."
        )
    if revision.isdigit() and revision > HEAD_REVISION:
        raise SchemaVersionError(
            f"{where} is at revision {revision}, newer than this rlsweep's {HEAD_REVISION}. Upgrade rlsweep."
        )
    raise SchemaVersionError(
        f"{where} is at revision {revision!r}, which this rlsweep does not know (its newest is {HEAD_REVISION}). "
        "Use the rlsweep that made it, or choose another database with --db."
    )
