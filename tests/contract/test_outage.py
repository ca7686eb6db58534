"""Which errors mean that the database is away, on errors that the databases really raise; and waiting for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from db.connection.engines import begin_write
from db.connection.outage import is_outage, repeat_on_conflict, wait_for_database
from db.database import open_database, resolve_url
from db.errors import DatabaseError
from db.store import PlanStore
from tests.postgresql import PostgresqlServer
from tests.records import SWEEP, planned


def error_of(operation: Callable[[], object]) -> Exception:
    with pytest.raises((SQLAlchemyError, DatabaseError)) as raised:
        operation()
    return raised.value


def execute(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT nothing FROM nowhere",
        "INSERT INTO sweep (id) VALUES (NULL)",
        "INSERT INTO step (trial_id, attempt, step, recorded_at) VALUES (1, 1, 0, '2026-01-01')",
        "SELEKT 1",
    ],
)
def test_what_is_said_again_at_every_repetition_is_no_outage(database: Engine, statement: str) -> None:
    assert not is_outage(error_of(lambda: execute(database, statement)))


def test_a_stopped_server_is_away(postgresql_database: Engine, postgresql_server: PostgresqlServer) -> None:
    execute(postgresql_database, "SELECT 1")
    with postgresql_database.connect() as connection:
        connection.execute(text("SELECT 1"))
        postgresql_server.stop()
        assert is_outage(error_of(lambda: connection.execute(text("SELECT 1"))))
    assert is_outage(error_of(lambda: execute(postgresql_database, "SELECT 1")))
    assert is_outage(error_of(lambda: open_database(postgresql_database.url, create=False)))


def test_a_session_that_the_server_ends_is_an_outage(
    postgresql_database: Engine, postgresql_server: PostgresqlServer
) -> None:
    with postgresql_database.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        postgresql_server.execute(f"SELECT pg_terminate_backend({pid})")
        error = error_of(lambda: connection.execute(text("SELECT 1")))
    assert is_outage(error)


@pytest.mark.parametrize(
    ("setting", "statement", "sqlstate"),
    [
        ("default_transaction_read_only = on", "DELETE FROM sweep", "25006"),
        ("statement_timeout = '50ms'", "SELECT pg_sleep(5)", "57014"),
        ("lock_timeout = '50ms'", "DELETE FROM trial", "55P03"),
    ],
)
def test_a_server_that_cannot_do_it_now_is_away(
    postgresql_url: URL, setting: str, statement: str, sqlstate: str
) -> None:
    limited = create_engine(postgresql_url, poolclass=NullPool, connect_args={"autocommit": True})
    event.listen(limited, "connect", lambda connection, _: connection.execute(f"SET {setting}"))
    with create_engine(postgresql_url, poolclass=NullPool).begin() as holder:
        holder.execute(text("LOCK TABLE trial"))
        error = error_of(lambda: execute(limited, statement))
    assert isinstance(error, DBAPIError)
    assert getattr(error.orig, "sqlstate", None) == sqlstate
    assert is_outage(error)


def test_a_server_without_a_free_connection_is_away(postgresql_url: URL, postgresql_server: PostgresqlServer) -> None:
    postgresql_server.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
    try:
        engine = create_engine(postgresql_url.set(username="crowded"), poolclass=NullPool)
        assert is_outage(error_of(lambda: execute(engine, "SELECT 1")))
    finally:
        postgresql_server.execute("DROP ROLE crowded")


def test_a_pool_without_a_free_connection_is_an_outage(postgresql_url: URL) -> None:
    engine = create_engine(postgresql_url, pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.connect():
        assert is_outage(error_of(engine.connect))
    engine.dispose()


def test_of_two_that_wait_for_each_other_both_come_through(postgresql_database: Engine) -> None:
    PlanStore(postgresql_database).register(SWEEP, [planned(1), planned(2)])
    execute(
        postgresql_database,
        "ALTER DATABASE " + str(postgresql_database.url.database) + " SET deadlock_timeout = '50ms'",
    )
    postgresql_database.dispose()
    both_locked = threading.Barrier(2)
    tries: list[int] = []

    def update(*trials: int) -> None:
        with begin_write(postgresql_database) as connection:
            tries.append(trials[0])
            connection.execute(text(f"UPDATE trial SET reached_step = reached_step + 1 WHERE id = {trials[0]}"))
            if len(tries) <= 2:
                both_locked.wait(10)
            connection.execute(text(f"UPDATE trial SET reached_step = reached_step + 1 WHERE id = {trials[1]}"))

    threads = [
        threading.Thread(target=repeat_on_conflict, args=(lambda pair=pair: update(*pair),))
        for pair in ((1, 2), (2, 1))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with postgresql_database.connect() as connection:
        assert list(connection.scalars(text("SELECT reached_step FROM trial"))) == [2, 2]
    assert len(tries) == 3


def test_a_file_that_somebody_keeps_locked_is_away(sqlite_url: URL) -> None:
    engine = open_database(sqlite_url)
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 50"))
    holder = sqlite3.connect(str(sqlite_url.database), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert is_outage(error_of(lambda: begin_write(engine).__enter__()))
    holder.close()
    engine.dispose()


def test_a_file_whose_folder_is_gone_is_away(tmp_path: Path) -> None:
    engine = create_engine(resolve_url(str(tmp_path / "gone" / "rlsweep.db")))
    assert is_outage(error_of(lambda: execute(engine, "SELECT 1")))


def test_waiting_ends_when_the_server_is_back(postgresql_database: Engine, postgresql_server: PostgresqlServer) -> None:
    said: list[str] = []
    postgresql_server.stop()
    starting = threading.Timer(1.0, postgresql_server.start)
    starting.start()
    wait_for_database(lambda: execute(postgresql_database, "SELECT 1"), say=said.append)
    starting.join()
    assert len(said) == 2
    assert "waiting for it" in said[0]
    assert "answers again" in said[1]


def test_waiting_has_an_end(postgresql_database: Engine, postgresql_server: PostgresqlServer) -> None:
    postgresql_server.stop()
    with pytest.raises(DatabaseError, match=r"has not answered for \d+ s .* giving up"):
        wait_for_database(lambda: execute(postgresql_database, "SELECT 1"), say=print, limit_seconds=0.3)


def test_a_mistake_is_not_waited_for(database: Engine) -> None:
    said: list[str] = []
    with pytest.raises(DBAPIError):
        wait_for_database(lambda: execute(database, "SELECT nothing FROM nowhere"), say=said.append)
    assert said == []
