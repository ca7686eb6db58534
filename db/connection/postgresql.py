"""Connecting to PostgreSQL: how soon a dead server or a dead client is noticed, and what went wrong, in a sentence.

A trial's process writes from two threads, the training loop and the lease, so its pool holds two connections; a
third and fourth are opened when they are needed and closed after. Thousands of trials then fit one server.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import URL, Connection, Dialect
from sqlalchemy.exc import DBAPIError

from db.connection.urls import shown
from db.errors import DatabaseError

# The oldest release that PostgreSQL's own project still mends; the tests run on 18.
OLDEST_SERVER = 15
CONNECT_TIMEOUT_SECONDS = 10
POOL: dict[str, Any] = {
    "pool_size": 2,
    "max_overflow": 2,
    "pool_timeout": 30,
    # A connection that a restarted server has closed is replaced, not handed out.
    "pool_pre_ping": True,
}

# A peer that vanished without a word (a cut cable, a dead machine) is noticed within 15 s: while nothing is sent by
# probes, while something is by the limit on what stays unacknowledged.
_IDLE_SECONDS, _PROBE_SECONDS, _PROBES, _UNACKNOWLEDGED_MS = 6, 3, 3, 15_000
_CLIENT = {
    "application_name": "rlsweep",
    "connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": _IDLE_SECONDS,
    "keepalives_interval": _PROBE_SECONDS,
    "keepalives_count": _PROBES,
    "tcp_user_timeout": _UNACKNOWLEDGED_MS,
}
# The same from the server's side: a machine that died in a transaction must not lock a trial's row for hours. A
# process that is stopped in one keeps its locks no longer than it would keep its lease.
_SERVER = {
    "tcp_keepalives_idle": str(_IDLE_SECONDS),
    "tcp_keepalives_interval": str(_PROBE_SECONDS),
    "tcp_keepalives_count": str(_PROBES),
    "tcp_user_timeout": str(_UNACKNOWLEDGED_MS),
    "idle_in_transaction_session_timeout": "60s",
}

# What libpq and the server say (they give no code before a session exists) -> what it means, what to do.
_MEANINGS = (
    (r"password authentication failed", "it refused the password of {user}. Check the URL, PGPASSWORD or ~/.pgpass"),
    (r"no password supplied", "it asks for the password of {user}: put it into the URL, PGPASSWORD or ~/.pgpass"),
    (r'role ".*" does not exist', "it knows no user {user}"),
    (r'database ".*" does not exist', "it has no database {database}; `createdb {database}` makes one"),
    (r"failed to resolve host|could not translate host name", "there is no host {host}. Check the URL"),
    (r"Connection refused|No such file or directory", "nothing listens at {place}. Is the server running there?"),
    (r"starting up|not yet accepting connections", "it is starting up; try again in a moment"),
    (r"shutting down", "it is shutting down"),
    (
        r"timeout expired",
        "no answer from {place} within {timeout} s. Is the server running, and not behind a firewall?",
    ),
    (
        r"too many (clients|connections)|remaining connection slots",
        "it has no connection left. Every trial keeps two: raise its max_connections, or run fewer trials at a time",
    ),
    (r"no pg_hba\.conf entry", "its pg_hba.conf does not let {user} in from this host"),
    (r"lock timeout", "somebody's long transaction holds its tables; end it, or try again later"),
    (
        r"permission denied for schema",
        "{user} may make no tables there; the database's owner allows it with "
        "`GRANT CREATE, USAGE ON SCHEMA public TO {user}`",
    ),
)


def connect_arguments(url: URL) -> dict[str, Any]:
    """What libpq is told beside the URL; the URL's own query goes before."""
    return {name: value for name, value in _CLIENT.items() if name not in url.query}


def prepare_session(connection: Any) -> None:
    """Settings of a new session, on psycopg's connection. Works through a connection pooler too."""
    values = [word for setting in _SERVER.items() for word in setting]
    connection.autocommit = True
    connection.execute("SELECT " + ", ".join(["set_config(%s, %s, false)"] * len(_SERVER)), values)
    connection.autocommit = False


def check_encoding(connection: Any, url: URL) -> None:
    """Raise DatabaseError on psycopg's new connection to a database that does not keep its text in UTF-8."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseError(
            f"{shown(url)} keeps text in {encoding}, which cannot hold every name and message. Make the database with "
            f"ENCODING 'UTF8': `createdb --encoding=UTF8 --template=template0 {url.database}`."
        )


def check_server(connection: Connection) -> None:
    """Raise DatabaseError if the server is older than what rlsweep is made for."""
    release = server_release(connection.dialect)
    if release < OLDEST_SERVER:
        raise DatabaseError(
            f"{shown(connection.engine.url)} runs PostgreSQL {release}; rlsweep needs {OLDEST_SERVER} or newer."
        )


def server_release(dialect: Dialect) -> int:
    """The major version of the server, once an engine of this dialect has connected."""
    return int((dialect.server_version_info or (0,))[0])


def explain(url: URL, error: DBAPIError) -> str:
    """What an error of the driver means, as the end of a sentence about the database."""
    said = str(error.orig).strip()
    names = {
        "user": url.username or "the user",
        "database": url.database or url.username,
        "host": url.host or url.query.get("host", "localhost"),
        "place": _place(url),
        "timeout": url.query.get("connect_timeout", CONNECT_TIMEOUT_SECONDS),
    }
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, said):
            return meaning.format(**names)
    first_line = said.partition("\n")[0]
    return first_line.replace(str(url.password), "***") if url.password else first_line


def _place(url: URL) -> str:
    host, port = url.host or url.query.get("host", "localhost"), url.port or url.query.get("port", 5432)
    return f"{host}, port {port}" if not str(host).startswith("/") else f"the socket in {host}"
