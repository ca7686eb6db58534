"""What the database says about a query that it refuses, and what to do about it.

The words are the database's own; a sentence is added where it knows less than the catalogue does.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Set as AbstractSet

from sqlalchemy.exc import DBAPIError, StatementError

from db.description.catalog import suggest_columns, suggest_relations
from db.errors import DatabaseError, RlsweepError, SpecError

_ONE_AT_A_TIME = "Write one statement: leave out what follows its first `;`."
READING_ONLY = "The connection only reads: one SELECT, WITH ... SELECT or VALUES. The database refuses everything else."

_SQLITE_FAILURES = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
_POSTGRESQL_FAILURES = ("08", "53", "57", "58", "F0", "XX")  # classes of SQLSTATE that are not about the query
_POSTGRESQL_CANCELED = "57014"
_REFUSALS = re.compile(
    r"not authorized|authorization denied|may not be modified|readonly database|read-only transaction"
    r"|read-write mode|data-modifying|not allowed here|not allowed in a non-volatile"
    r"|invalid transaction termination"
)
_SEVERAL = re.compile(r"one statement at a time|multiple commands")
_NO_RELATION = re.compile(r'no such table: (?P<lite>\S+)|relation "(?P<server>[^"]+)" does not exist')
_NO_COLUMN = re.compile(r'no such column: (?P<lite>\S+)|column "?(?P<server>[^"\s]+)"? does not exist')
_NEAR = re.compile(r'near "(?P<token>[^"]+)"')


def query_error(query: str, error: StatementError, *, present: AbstractSet[str]) -> RlsweepError:
    """The error to raise for one that came from running `query`: SpecError if the query is at fault.

    `present` are the tables and views of the database.
    """
    message = _message(query, str(error.orig).strip())
    if isinstance(error, DBAPIError) and not _is_about_the_query(error.orig):
        return DatabaseError(f"The database could not run the query: {message}")
    advice = _advice(query, message, present)
    # Where the database points at a place in the query, the advice must not move what it points at.
    separator = "\n" if "\n" in message else ". "
    return SpecError(f"The database refuses the query: {message}{separator if advice else ''}{advice}")


def was_interrupted(error: StatementError) -> bool:
    """Whether SQLite gave the query up because Ctrl-C or the time limit told it to."""
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT


def was_stopped(error: StatementError) -> bool:
    """Whether the database gave the query up because it was told to, by whomever."""
    return was_interrupted(error) or getattr(error.orig, "sqlstate", None) == _POSTGRESQL_CANCELED


def _is_about_the_query(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _SQLITE_FAILURES
    state = getattr(error, "sqlstate", None)  # None: the connection broke
    return state is not None and not state.startswith(_POSTGRESQL_FAILURES)


def _message(query: str, said: str) -> str:
    """What the database said, with the place in the query. PostgreSQL counts a line that was put before the query."""
    if "\n" in said:
        return re.sub(r"^LINE (\d+):", lambda found: f"LINE {int(found[1]) - 1}:", said, flags=re.MULTILINE)
    near = _NEAR.search(said)
    if near is None or query.count(near["token"]) != 1:
        return said
    before = query[: query.index(near["token"])]
    return f"{said} (line {before.count(chr(10)) + 1}, column {len(before.rpartition(chr(10))[2]) + 1})"


def _advice(query: str, message: str, present: AbstractSet[str]) -> str:
    if found := _NO_RELATION.search(message):
        return suggest_relations(found["lite"] or found["server"], present)
    if found := _NO_COLUMN.search(message):
        return suggest_columns(found["lite"] or found["server"], asked=set(re.findall(r"\w+", query)))
    if _SEVERAL.search(message):
        return _ONE_AT_A_TIME
    near = _NEAR.search(message)
    begins_wrong = near is not None and query.split()[:1] == [near["token"]]
    return READING_ONLY if begins_wrong or _REFUSALS.search(message) else ""
