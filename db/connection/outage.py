"""When the database is away: which errors mean that, and waiting until it is back.

An outage is what is mended outside of this program: a server that restarts, a cable, a lock that somebody holds for
too long, a full disk. The same statement goes through later. Everything else that a database says, a broken
constraint or a wrong statement, is said again at every repetition, so it is raised and never waited for.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from db.errors import DatabaseError

T = TypeVar("T")

WAIT_LIMIT_SECONDS = 3600.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_TRIES_IN_CONFLICT = 4

_SQLITE_OUTAGES = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
}  # fmt: skip
# Classes of SQLSTATE: the connection, conflicts with other transactions, resources of the server, its system.
_POSTGRESQL_OUTAGES = (
    "08", "40", "53", "58",
    "57P01", "57P02", "57P03", "57P05",  # it shuts down, crashed, starts up, has closed an idle session
    "57014", "55P03",  # a time limit of the server's own, on statements or on waiting for locks
    "25006",  # it only reads: a standby, until the failover is through
    "25P03",  # this process was stopped in a transaction for too long
)  # fmt: skip
_POSTGRESQL_CONFLICTS = ("40001", "40P01")  # serialization failure, deadlock


def is_outage(error: BaseException) -> bool:
    """Whether the database cannot be reached or used now, though what it was asked for was fine."""
    if isinstance(error, PoolTimeoutError):
        return True
    if isinstance(error, DatabaseError) and isinstance(error.__cause__, DBAPIError):
        error = error.__cause__  # it was put into a sentence for the user
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _SQLITE_OUTAGES
    state = _sqlstate(error)
    if state is None:  # the server said nothing: there was no session, or it broke
        return error.connection_invalidated or isinstance(error, OperationalError)
    return state.startswith(_POSTGRESQL_OUTAGES)


def outage_reason(error: BaseException) -> str:
    """What the database or its driver said, in one line."""
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return said.strip().partition("\n")[0].rstrip(".")


def repeat_on_conflict(operation: Callable[[], T]) -> T:
    """Run a transaction, and run it again when the database ended it in favour of another one."""
    for _ in range(_TRIES_IN_CONFLICT - 1):
        try:
            return operation()
        except DBAPIError as error:
            if _sqlstate(error) not in _POSTGRESQL_CONFLICTS:
                raise
    return operation()


def wait_for_database(
    operation: Callable[[], T], *, say: Callable[[str], None], limit_seconds: float = WAIT_LIMIT_SECONDS
) -> T:
    """Do `operation`, once the database is there; it must be one that may be done twice.

    An answer may be lost after the database has done what it was asked for. Says once that it waits. Raises
    DatabaseError when the outage lasts longer than `limit_seconds`, and at once whatever is no outage.
    """
    started, pause = time.monotonic(), 0.0
    while True:
        try:
            result = repeat_on_conflict(operation)
        except (SQLAlchemyError, DatabaseError) as error:
            if not is_outage(error):
                raise
            waited = time.monotonic() - started
            if waited > limit_seconds:
                raise DatabaseError(
                    f"The database has not answered for {waited:.0f} s ({outage_reason(error)}); giving up."
                ) from error
            if not pause:
                say(f"The database does not answer ({outage_reason(error)}); waiting for it.")
        else:
            if pause:
                say(f"The database answers again, after {time.monotonic() - started:.0f} s.")
            return result
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS) or _FIRST_PAUSE_SECONDS
        time.sleep(pause)


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state
