"""Letting one process at a time do what must not be done by two, across all that share a database."""

from __future__ import annotations

from sqlalchemy import Connection, func, select


def hold(connection: Connection, name: str) -> None:
    """Hold the lock `name` until the transaction ends, waiting for whoever has it.

    On SQLite a write transaction has the whole database to itself, so there is nothing to do.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"rlsweep.{name}"))))
