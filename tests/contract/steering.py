"""Bringing a trial's attempts into the states that tests need, and looking at what the tables hold."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, func, select, text, update

from db.connection.engines import begin_write
from db.store import AttemptStore, PlanStore, claim
from db.store.leases import GRACE_SECONDS
from db.tables import Attempt, Base, Sweep
from db.types import database_now
from tests.records import HERE

# Every write renews the lease, also one that has nothing new to say.
_RENEWED = "lease_expires_at"


def again(database: Engine, attempt: AttemptStore) -> AttemptStore:
    """The next attempt at the same trial, after this one was lost."""
    PlanStore(database).declare_lost(attempt.sweep_id, is_dead=lambda _: True)
    return claim(database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)


def let_leases_run_out(database: Engine) -> None:
    """End every lease a second ago, of attempts and of drivers."""
    _wait_out_grace(database)
    with begin_write(database) as connection:
        connection.execute(update(Attempt).values(lease_expires_at=database_now(-1)))
        connection.execute(update(Sweep).values(driver_lease_expires_at=database_now(-1)))


def _wait_out_grace(database: Engine) -> None:
    """A PostgreSQL server that has only just started takes no lease for run out."""
    while database.dialect.name == "postgresql":
        with database.connect() as connection:
            uptime = connection.scalar(
                text("SELECT EXTRACT(EPOCH FROM clock_timestamp() - pg_postmaster_start_time())")
            )
        if float(uptime) > GRACE_SECONDS:
            return
        time.sleep(0.2)


def count(database: Engine, table: type[Base]) -> int:
    """Number of rows of a table."""
    with database.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def contents(database: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for the leases: equal exactly when nothing was changed."""
    found = {}
    with database.connect() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [column for column in table.columns if column.name != _RENEWED]
            rows = connection.execute(select(*columns).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in rows]
    return found
