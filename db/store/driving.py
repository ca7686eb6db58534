"""Who launches a sweep's trials: one driver at a time, on whichever machine, held by a lease on the database's clock.

A driver that was killed is replaced at once where its machine can be asked whether it lives, and else when its lease
has run out. One that finds itself replaced must stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, and_, select, update

from db.connection.engines import begin_write
from db.errors import SweepIsDriven
from db.records import Process
from db.store.leases import GRACE_SECONDS, LEASE_SECONDS
from db.tables import Sweep
from db.types import database_now, leases_end_before

# The job stays: what it printed is there to be read after its end.
_NOBODY = dict.fromkeys(("driver_host", "driver_pid", "driver_process_started_at", "driver_lease_expires_at"))


class DriverStore:
    """A driver's hold on sweeps. `is_dead` says of a process whether it is known to be gone."""

    def __init__(self, engine: Engine, *, is_dead: Callable[[Process], bool]) -> None:
        self._engine = engine
        self._is_dead = is_dead

    def refuse_driven(self, name: str) -> None:
        """Raise SweepIsDriven if a driver runs the sweep of that name, which may not exist yet."""
        with self._engine.connect() as connection:
            self._refuse(_driver(connection, Sweep.name == name))

    def claim(self, sweep_id: int, process: Process, *, cluster: str | None = None, job: str | None = None) -> None:
        """Make `process` the driver of the sweep, or raise SweepIsDriven.

        `cluster` is the address of the Ray cluster it launches on, `job` the Ray job that it is; None: neither.
        """
        with begin_write(self._engine) as connection:
            # Locked first: of two that claim it, the second must see the first.
            connection.execute(select(Sweep.id).where(Sweep.id == sweep_id).with_for_update())
            self._refuse(_driver(connection, Sweep.id == sweep_id))
            connection.execute(
                update(Sweep)
                .where(Sweep.id == sweep_id)
                .values(
                    driver_host=process.host,
                    driver_pid=process.pid,
                    driver_process_started_at=process.process_started_at,
                    driver_lease_expires_at=database_now(LEASE_SECONDS),
                    driver_cluster=cluster,
                    driver_job=job,
                )
            )

    def renew(self, sweep_id: int, process: Process) -> bool:
        """Say that the driver lives; returns False if another one has taken its place."""
        return self._update_own(sweep_id, process, {"driver_lease_expires_at": database_now(LEASE_SECONDS)})

    def release(self, sweep_id: int, process: Process) -> None:
        """Say that the driver launches nothing more."""
        self._update_own(sweep_id, process, _NOBODY)

    def _refuse(self, driver: _Driver | None) -> None:
        if driver is None or self._is_dead(driver.process):
            return
        raise SweepIsDriven(
            f"Another `rlsweep submit` is running sweep {driver.sweep!r} (process {driver.process.pid} on "
            f"{driver.process.host}); watch it with `rlsweep status {driver.sweep} --watch`, or stop it first."
        )

    def _update_own(self, sweep_id: int, process: Process, values: Mapping[str, object]) -> bool:
        own = and_(
            Sweep.id == sweep_id,
            Sweep.driver_host == process.host,
            Sweep.driver_pid == process.pid,
            Sweep.driver_process_started_at == process.process_started_at,
        )
        with begin_write(self._engine) as connection:
            changed: int = connection.execute(update(Sweep).where(own).values(**values)).rowcount
        return changed == 1


@dataclass(frozen=True)
class _Driver:
    sweep: str
    process: Process


def _driver(connection: Connection, which: ColumnElement[bool]) -> _Driver | None:
    """The driver of a sweep whose lease has not run out."""
    alive = Sweep.driver_lease_expires_at >= leases_end_before(GRACE_SECONDS)
    columns = (Sweep.name, Sweep.driver_host, Sweep.driver_pid, Sweep.driver_process_started_at)
    found = connection.execute(select(*columns).where(which, alive)).first()
    if found is None:
        return None
    name, host, pid, started_at = found
    assert host is not None
    assert pid is not None
    assert started_at is not None
    return _Driver(name, Process(host, pid, started_at))
