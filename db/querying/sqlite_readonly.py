"""An SQLite connection that cannot write: not to its file, not to another, and not by changing its own settings.

The file is never opened but by SQLite: closing it would drop the locks that this process holds on it elsewhere.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from db.connection.filesystems import network_mount
from db.connection.sqlite import BUSY_TIMEOUT_SECONDS
from db.errors import DatabaseError

_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_PRAGMAS_WITH_ARGUMENT = {
    "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list",
}  # fmt: skip
_PRAGMAS = _PRAGMAS_WITH_ARGUMENT | {
    "database_list", "collation_list", "function_list", "compile_options", "encoding", "journal_mode",
    "page_count", "page_size", "freelist_count", "query_only", "schema_version", "user_version", "read_uncommitted",
}  # fmt: skip


def connect_to_read(file: Path) -> sqlite3.Connection:
    """Open `file` for queries only. SQLite asks the authorizer while it compiles a statement, before it runs any."""
    connection = connect_to_inspect(file)
    connection.set_authorizer(_authorize)
    return connection


def connect_to_inspect(file: Path) -> sqlite3.Connection:
    """Open `file` for reading, with SQLite's own checks and settings too."""
    connection = sqlite3.connect(
        f"file:{quote(str(file))}?{_mode(file)}",
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,  # each SELECT is a transaction by itself
        check_same_thread=False,  # a connection serves one query, but a generator may be resumed anywhere
        factory=_Leaving,
    )
    connection.file = file
    connection.execute("PRAGMA query_only = ON")
    return connection


class _Leaving(sqlite3.Connection):
    """A connection that leaves nothing beside its file.

    A WAL database is read through files beside it, which the last one to close removes: unless it was opened for
    reading only. So one that may write is opened and closed after. It writes nothing, and where anybody else has the
    database open, SQLite leaves the files alone.
    """

    file: Path

    def close(self) -> None:
        super().close()
        log = self.file.with_name(f"{self.file.name}-wal")
        with suppress(OSError, sqlite3.Error):  # what stays there does no harm
            if log.stat().st_size == 0 and os.access(self.file, os.W_OK) and os.access(log.parent, os.W_OK):
                with closing(sqlite3.connect(f"file:{quote(str(self.file))}?mode=rw", uri=True, timeout=0)) as last:
                    last.execute("SELECT 1 FROM sqlite_master").fetchone()


def _mode(file: Path) -> str:
    """How to open `file` for reading only. A WAL database is read through files beside it, which may have to be made.

    Where they cannot be used and nobody writes, the file by itself is whole, and SQLite may take it as immutable.
    Asked for every query anew: a writer may have come since.
    """
    if not os.access(file, os.R_OK):
        raise DatabaseError(f"{file} cannot be read; ask its owner for the permission.")
    log, index = (file.with_name(f"{file.name}{suffix}") for suffix in ("-wal", "-shm"))
    shares_memory = network_mount(file) is None
    if shares_memory and (os.access(file.parent, os.W_OK) or (log.exists() and index.exists())):
        return "mode=ro"
    if log.exists() and log.stat().st_size > 0:
        raise DatabaseError(
            f"{log} holds rows that are not in {file.name} yet, and SQLite can only read them in a folder of this host "
            "where it may write. Copy both files to one and read the copy."
        )
    return "mode=ro&immutable=1"


def _authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    if action == sqlite3.SQLITE_PRAGMA:
        allowed = str(first).lower() in (_PRAGMAS if second is None else _PRAGMAS_WITH_ARGUMENT)
    elif action == sqlite3.SQLITE_UPDATE:
        # Asked when a query uses json_each or another table-valued function for the first time; the schema itself is
        # guarded by SQLite, by mode=ro and by query_only.
        allowed = first == "sqlite_master"
    else:
        allowed = action in _ACTIONS and "load_extension" not in (first, second)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
