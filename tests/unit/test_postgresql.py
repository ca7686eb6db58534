"""Reaching PostgreSQL: what is said when it cannot be reached, and what becomes of connections that died."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import OperationalError

from db.connection import postgresql
from db.database import open_database
from db.errors import DatabaseError
from db.querying.readonly import open_read_only
from tests.postgresql import PostgresqlServer

PASSWORD = "s3cret-word"


@pytest.fixture
def ann(postgresql_server: PostgresqlServer, postgresql_url: URL) -> Iterator[URL]:
    """The database as a user sees it who must give a password, and may connect once at a time."""
    postgresql_server.execute(f"CREATE ROLE ann LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 1")
    rules = postgresql_server.folder / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"local all ann scram-sha-256\n{before}")
    postgresql_server.execute("SELECT pg_reload_conf()")
    yield postgresql_url.set(username="ann", password=PASSWORD)
    postgresql_server.start()
    rules.write_text(before)
    postgresql_server.execute("DROP OWNED BY ann; DROP ROLE ann", database=str(postgresql_url.database))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where somebody listens and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def refusal(url: URL) -> str:
    """What is said when the database cannot be opened: one line, without the password."""
    with pytest.raises(DatabaseError) as caught:
        open_database(url)
    said = str(caught.value)
    assert "\n" not in said
    assert PASSWORD not in said
    return said


def test_a_wrong_password_is_said_without_repeating_it(ann: URL) -> None:
    assert "it refused the password of ann" in refusal(ann.set(password=f"{PASSWORD}!"))
    assert "it asks for the password of ann" in refusal(ann._replace(password=None))


def test_a_server_without_a_free_connection_is_named(postgresql_server: PostgresqlServer, ann: URL) -> None:
    postgresql_server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ann", database=str(ann.database))
    holding = open_database(ann)
    with holding.connect():
        assert "it has no connection left" in refusal(ann)


def test_a_user_who_may_make_no_tables_is_told_who_can_allow_it(postgresql_server: PostgresqlServer, ann: URL) -> None:
    empty = postgresql_server.new_database(empty=True)
    assert "GRANT CREATE, USAGE ON SCHEMA public TO ann" in refusal(ann.set(database=empty.database))
    postgresql_server.drop_database(empty)


def test_what_is_not_there_is_named(postgresql_url: URL) -> None:
    assert "it has no database nowhere; `createdb nowhere` makes one" in refusal(postgresql_url.set(database="nowhere"))
    assert "it knows no user nobody" in refusal(postgresql_url.set(username="nobody"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ({"host": "no.such.host.invalid"}, "there is no host no.such.host.invalid"),
        ({"host": "127.0.0.1", "port": 1}, "nothing listens at 127.0.0.1, port 1"),
        ({"query": {"host": "/nowhere"}}, "nothing listens at the socket in /nowhere"),
    ],
)
def test_an_address_where_no_server_is_is_named(address: dict[str, object], message: str) -> None:
    pytest.importorskip("psycopg")
    url = URL.create("postgresql+psycopg", username="ann", password=PASSWORD, database="x", **address)  # type: ignore[arg-type]
    assert message in refusal(url)


def test_a_server_that_never_answers_is_given_up_after_the_urls_time(silent_port: int) -> None:
    pytest.importorskip("psycopg")
    url = URL.create(
        "postgresql+psycopg", "ann", PASSWORD, "127.0.0.1", silent_port, "x", query={"connect_timeout": "2"}
    )
    assert f"no answer from 127.0.0.1, port {silent_port} within 2 s" in refusal(url)


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("connection failed: FATAL:  the database system is starting up", "it is starting up; try again in a moment"),
        ("FATAL:  sorry, too many clients already", "it has no connection left"),
        ("something new\nwith details", "something new"),
        (f"something with {PASSWORD}", "something with ***"),
    ],
)
def test_what_the_driver_says_becomes_one_sentence(said: str, meaning: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    url = URL.create("postgresql+psycopg", "ann", PASSWORD, "host", database="x")
    error = OperationalError("", {}, psycopg.OperationalError(said))
    assert postgresql.explain(url, error).startswith(meaning)


def test_an_old_server_is_refused(postgresql_url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "OLDEST_SERVER", 99)
    assert "rlsweep needs 99 or newer" in refusal(postgresql_url)


@pytest.mark.parametrize("opened", [open_database, open_read_only])
def test_a_database_that_cannot_hold_every_text_is_refused(
    postgresql_server: PostgresqlServer, opened: Callable[[URL], Engine]
) -> None:
    url = postgresql_server.new_database(empty=True)
    postgresql_server.drop_database(url)
    settings = "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    postgresql_server.execute(f"CREATE DATABASE {url.database} {settings}")
    with pytest.raises(DatabaseError, match=r"keeps text in SQL_ASCII.*ENCODING 'UTF8': `createdb --encoding=UTF8"):
        opened(url)
    postgresql_server.drop_database(url)


def test_a_connection_that_died_is_replaced(postgresql_server: PostgresqlServer, postgresql_database: Engine) -> None:
    with postgresql_database.connect() as connection:
        before = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    postgresql_server.stop()
    postgresql_server.start()
    with postgresql_database.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != before


def test_a_dead_peer_is_noticed_on_both_sides(postgresql_database: Engine) -> None:
    with postgresql_database.connect() as connection:
        asked = connection.connection.driver_connection.info.get_parameters()
        timeout = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
        name = connection.execute(text("SELECT current_setting('application_name')")).scalar_one()
    idle, interval, count = (int(asked[f"keepalives_{word}"]) for word in ("idle", "interval", "count"))
    assert idle + interval * count <= 15
    assert int(asked["tcp_user_timeout"]) <= 15_000
    assert (timeout, name) == ("1min", "rlsweep")


def test_the_url_goes_before_what_is_usual(postgresql_url: URL) -> None:
    engine = open_database(postgresql_url.update_query_dict({"application_name": "mine", "keepalives_idle": "30"}))
    with engine.connect() as connection:
        asked = connection.connection.driver_connection.info.get_parameters()
    assert (asked["application_name"], asked["keepalives_idle"]) == ("mine", "30")
