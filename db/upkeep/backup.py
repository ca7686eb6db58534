"""A copy of the whole database as it is at one moment, made while others go on writing, and never half.

SQLite copies itself to another SQLite file, which is used as it is. PostgreSQL is copied by its own pg_dump; the copy
is put back by pg_restore. What is not done here: putting a copy back, for which everything that uses the database must
have stopped; keeping copies elsewhere; and throwing old ones away.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine

from db.connection.explanations import explained
from db.connection.postgresql import server_release
from db.connection.urls import shown
from db.errors import DatabaseError
from db.upkeep.revisions import read_revision


def back_up(engine: Engine, target: Path | None = None) -> Path:
    """Copy the database to `target`, or to a file named after its revision and the time; returns where it is.

    Raises DatabaseError if the target exists, if the database is empty, or if it cannot be copied from here.
    """
    with explained(engine.url):
        with engine.connect() as connection:
            revision = read_revision(connection)
        if revision is None:
            raise DatabaseError(f"{shown(engine.url)} is empty; there is nothing to keep.")
        return write_backup(engine, revision=revision, target=target)


def write_backup(engine: Engine, *, revision: str, target: Path | None = None) -> Path:
    """As `back_up`, of a database that is known to be at `revision`."""
    target = (target or _default_target(engine, revision)).expanduser().absolute()
    write = _copy_sqlite if engine.dialect.name == "sqlite" else _dump_postgresql
    with _written_aside(target) as partial:
        write(engine, partial)
    return target


def restoring(engine: Engine, backup: Path) -> list[str]:
    """How to use a backup of the database, in lines; none holds a password."""
    if engine.dialect.name != "sqlite":
        new = f"{engine.url.database}_restored"
        (here, _), (there, _) = _connection(engine.url), _connection(engine.url.set(database=new))
        made = shlex.join(["createdb", f"--maintenance-db={here}", new])
        restored = shlex.join(["pg_restore", "--no-owner", f"--dbname={there}", str(backup)])
        return [f"To use it, put it into a new database: {made} && {restored}"]
    file = str(engine.url.database)
    # What is left in a log of the old file would be written into the new one.
    removed, copied = shlex.join(["rm", "-f", f"{file}-wal", f"{file}-shm"]), shlex.join(["cp", str(backup), file])
    return [
        f"To use it where it is: --db {shlex.quote(str(backup))}",
        f"To put it in the place of the database, when nothing uses that any more: {removed} && {copied}",
    ]


def _default_target(engine: Engine, revision: str) -> Path:
    """Beside an SQLite file; in the working folder for a server's database, which has no place of its own."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if engine.dialect.name == "sqlite":
        return Path(f"{engine.url.database}.{revision}.{now}.backup")
    return Path.cwd() / f"{engine.url.database}.{revision}.{now}.dump"


@contextmanager
def _written_aside(target: Path) -> Iterator[Path]:
    """A new file that gets the name `target` when it is whole. Neither it nor anything else is overwritten."""
    _refuse_existing(target)
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.touch(exist_ok=False)
    except OSError as error:
        raise DatabaseError(
            f"The backup cannot be written to {partial}: {error.strerror}. Name another place with --output."
        ) from error
    try:
        yield partial
        _refuse_existing(target)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise DatabaseError(f"{target} exists and is not overwritten; name another file with --output.")


def _copy_sqlite(engine: Engine, partial: Path) -> None:
    """One read transaction over the whole file: writers go on beside it, and are not in the copy."""
    with engine.connect() as connection, closing(sqlite3.connect(partial)) as copy:
        source: Any = connection.connection.driver_connection
        try:
            source.backup(copy)
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok":
        raise DatabaseError(
            f"{engine.url.database} cannot be backed up ({found.rstrip('.')}); no copy was kept. `rlsweep db check` "
            "says what is wrong with it; where it is damaged, go back to an earlier backup."
        )


def _dump_postgresql(engine: Engine, partial: Path) -> None:
    conninfo, password = _connection(engine.url)
    options = ["--format=custom", "--no-password", f"--file={partial}", f"--dbname={conninfo}"]
    program = _pg_dump(engine, by_hand=shlex.join(["pg_dump", *options]).replace(".partial", ""))
    done = subprocess.run(  # noqa: S603
        [program, *options], env=os.environ | password, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DatabaseError(f"The backup by pg_dump failed: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _pg_dump(engine: Engine, *, by_hand: str) -> str:
    """A pg_dump that can read the server's release; DatabaseError with what to do where there is none."""
    server = server_release(engine.dialect)
    program = shutil.which("pg_dump")
    found = _major_version(program) if program else None
    if program is not None and found is not None and found >= server:
        return program
    have = f"of release {found}, older than the server" if found else "not here"
    raise DatabaseError(
        f"A backup needs pg_dump of PostgreSQL {server} or newer, and it is {have}. Install PostgreSQL's client "
        f"programs, or make the backup where they are:\n  {by_hand}\nand upgrade with --no-backup."
    )


def _major_version(program: str) -> int | None:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    number = re.search(r"\d+", said)
    return int(number.group()) if number else None


def _connection(url: URL) -> tuple[str, dict[str, str]]:
    """The URL as pg_dump reads it, and the password for its environment: a command line can be read by other users.

    The password may be in either part of a URL, before the host or in the query.
    """
    from psycopg.conninfo import make_conninfo

    _, arguments = url.get_dialect()().create_connect_args(url)
    password = arguments.get("password")
    public = {k: v for k, v in arguments.items() if k not in ("context", "password", "sslpassword")}
    return make_conninfo(**public), {} if password is None else {"PGPASSWORD": str(password)}
