"""Making the tables, and bringing old ones up to date, by the Alembic revisions in `migrations/`.

The tables are only ever made by the revisions, never by `create_all`, so that a new database and an upgraded one
cannot differ. All revisions that are missing run in one transaction, alone: the database is at the old revision or at
the new one, whatever happens in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from db.connection.engines import begin_write
from db.connection.explanations import ended, explained, reason
from db.connection.locks import hold
from db.connection.urls import shown
from db.description.comments import write_comments
from db.errors import DatabaseError
from db.upkeep.backup import write_backup
from db.upkeep.health import missing_tables
from db.upkeep.revisions import HEAD_REVISION, is_older, read_revision, refuse
from db.upkeep.view_definitions import altered_views, missing_views, rebuild_views

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = "migrate"
# The longest that an upgrade waits for another one, or for a writer, on SQLite.
_PATIENCE_SECONDS = 3600.0
# The longest that an upgrade waits for another's transaction on PostgreSQL, where everybody else then waits for it.
LOCK_TIMEOUT_SECONDS = 30.0
_LOST = "The database was upgraded before it had ended."


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did. `before` is None for an empty database; `views` were missing or altered, and made again."""

    before: str | None
    after: str
    backup: Path | None
    views: tuple[str, ...] = ()


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for `connection`; the revisions are those installed with this code."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def make_tables(engine: Engine) -> None:
    """Give an empty database its tables; of several processes that do it at once, one does it."""
    if engine.dialect.name == "sqlite":
        _write_ahead(engine)
    with begin_write(engine) as connection:
        hold(connection, _LOCK)
        # Another process may have made the tables while this one waited for the lock.
        if read_revision(connection) is None:
            run_revisions(connection)


def upgrade(engine: Engine, *, backup: bool = True, force: bool = False) -> Upgrade:
    """Bring a database to this code's revision, after a backup; all or nothing. Views that are wrong are made again.

    Attempts that still count as running are lost with an upgrade: what their processes write from then on is refused,
    and so are claims by code of the revision before, so that a trial goes on only under the new code.

    Raises SchemaVersionError if it is newer or unknown, DatabaseError if attempts may be alive (unless `force`), if
    there is no backup to be had, if tables are missing, or if a revision fails.
    """
    with explained(engine.url):
        with engine.connect() as connection:
            before = read_revision(connection)
        if before is None:
            make_tables(engine)
            return Upgrade(None, HEAD_REVISION, None)
        if before == HEAD_REVISION:
            return Upgrade(before, before, None, views=_mend_views(engine))
        if not is_older(before):
            refuse(shown(engine.url), before)
        return _upgrade(engine, backup=backup, force=force)


def run_revisions(connection: Connection, to: str = "head") -> None:
    """Run the revisions that are missing, in the connection's transaction."""
    from alembic import command

    command.upgrade(alembic_config(connection), to)


def _upgrade(engine: Engine, *, backup: bool, force: bool) -> Upgrade:
    with alone(engine) as connection:
        before = read_revision(connection)
        assert before is not None, "tables do not vanish"
        if before == HEAD_REVISION:  # another process did it while this one waited
            return Upgrade(before, before, None)
        _keep_writers_out(connection)
        if not force:
            _refuse_living_attempts(connection)
        kept = write_backup(engine, revision=before) if backup else None
        try:
            _end_running_attempts(connection)
            run_revisions(connection)
            _check_references(connection)
        except DBAPIError as error:
            raise DatabaseError(
                f"The upgrade of {shown(engine.url)} from {before} to {HEAD_REVISION} failed; nothing was changed. "
                f"The database says: {ended(reason(engine.url, error))}"
            ) from error
    return Upgrade(before, HEAD_REVISION, kept)


def _mend_views(engine: Engine) -> tuple[str, ...]:
    """Make the views again that are missing or altered. They hold no data, so this needs no backup."""
    with engine.connect() as connection:
        if lost := missing_tables(connection):
            raise DatabaseError(
                f"{shown(engine.url)} is damaged: it has lost {', '.join(lost)}. What a table held cannot be made "
                "again; restore a backup."
            )
        if not missing_views(connection) and not altered_views(connection):
            return ()
    with alone(engine) as connection:
        made = rebuild_views(connection, altered=altered_views(connection))
        write_comments(connection)
    return tuple(made)


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """A write transaction beside which no other upgrade runs; waits for the one that does."""
    if engine.dialect.name == "sqlite":
        with _alone_in_file(engine) as connection:
            yield connection
        return
    with engine.begin() as connection:
        hold(connection, _LOCK)
        connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))  # a backup takes its time
        yield connection


@contextmanager
def _alone_in_file(engine: Engine) -> Iterator[Connection]:
    """SQLite changes most things by copying a table and dropping the old one, which must not end rows that refer to it.

    References are therefore off meanwhile (that can only be said outside a transaction), and checked at the end.
    """
    with engine.execution_options(rlsweep_write=True).connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with _patiently_begun(connection):
                yield connection
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def _patiently_begun(connection: Connection) -> Any:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return connection.begin()
        except OperationalError:
            if time.monotonic() > deadline:
                raise


def _keep_writers_out(connection: Connection) -> None:
    """From here to the end of the transaction only readers come near: the backup is what the upgrade starts from."""
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.quote
        tables = ", ".join(quote(table) for table in inspect(connection).get_table_names())
        connection.execute(text(f"LOCK TABLE {tables} IN EXCLUSIVE MODE"))


def _refuse_living_attempts(connection: Connection) -> None:
    from db.store.leases import may_be_alive
    from db.tables import Attempt

    columns = (Attempt.trial_id, Attempt.number, Attempt.host, Attempt.pid)
    living = connection.execute(select(*columns).where(may_be_alive()).order_by(Attempt.trial_id)).all()
    if living:
        named = "; ".join(f"trial {t}, attempt {n} (process {pid} on {host})" for t, n, host, pid in living[:5])
        more = f"; and {len(living) - 5} more" if len(living) > 5 else ""
        raise DatabaseError(
            f"{len(living)} running attempts would lose their database: {named}{more}. Let them end (Ctrl-C in the "
            "terminal of `rlsweep submit` stops them at a checkpoint), or end them with --force."
        )


def _end_running_attempts(connection: Connection) -> None:
    """Fence off the code of the revision before, by what it looks at itself before it writes."""
    from db.states import AttemptState, TrialState
    from db.tables import Attempt, Trial
    from db.types import database_now

    lost = {"state": AttemptState.LOST, "ended_at": database_now(), "message": _LOST}
    connection.execute(update(Attempt).where(Attempt.state == AttemptState.RUNNING).values(lost))
    connection.execute(update(Trial).where(Trial.state == TrialState.RUNNING).values(state=TrialState.RECOVERING))


def _check_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise DatabaseError(
            f"The upgrade was given up and nothing was changed: {len(broken)} rows, first of table {broken[0][0]}, "
            "refer to rows that are not there. `rlsweep db check` lists them."
        )


def _write_ahead(engine: Engine) -> None:
    """Kept in the file. Not before the file is known to be ours, and not inside a transaction."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        (mode,) = driver.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise DatabaseError(
            f"SQLite cannot keep a write-ahead log for {engine.url.database} ({mode!r}); put the file elsewhere."
        )
