"""What a driver does beside launching: it keeps its hold on the sweep, and sees to the sweep's limits.

Both are asked of the database from a thread of their own, which an outage delays and does not end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from db.connection.outage import is_outage, wait_for_database
from db.errors import DatabaseError
from db.records import Process
from db.spending import SpendingReader
from db.store import DriverStore, PlanStore
from db.store.leases import LEASE_SECONDS
from orchestrator.launching.limits import are_watched, reached
from orchestrator.launching.sent_job import this_job
from orchestrator.sweepfile.running import Limits
from workers.provenance import is_dead, this_process

_LOOK_SECONDS = 1.0
_LIMITS_SECONDS = 5.0


@dataclass
class Oversight:
    """What was found so far. `limit`: the limit that was reached, in a sentence; `is_replaced`: by another driver."""

    limit: str | None = None
    is_interrupted: bool = False
    is_replaced: bool = False

    def why_stopped(self) -> str | None:
        """Why trials may be left without an end, in a sentence; None where another driver goes on with them."""
        if self.is_replaced:
            return None
        if self.limit:
            return f"A limit is reached: {self.limit}."
        return "Its driver was interrupted." if self.is_interrupted else "Its driver has ended."


@contextmanager
def driver_of(engine: Engine, sweep_id: int, *, limits: Limits, cluster: str | None) -> Iterator[Oversight]:
    """Be the sweep's driver while the block runs. Raises SweepIsDriven where another one is.

    `cluster` is the address of the Ray cluster it launches on, None for a Ray of its own.

    A limit that is reached already is known when the block begins. One that is reached later asks the sweep to drain:
    its trials save a checkpoint at the end of their step and stop.
    """
    store, process, seen = DriverStore(engine, is_dead=is_dead), this_process(), Oversight()
    job = this_job()
    store.claim(sweep_id, process, cluster=job.address if job else cluster, job=job.job if job else None)
    is_over = threading.Event()
    tasks: list[tuple[float, Callable[[], None]]] = [
        (LEASE_SECONDS / 6, lambda: _renew(store, sweep_id, process, seen)),
    ]
    if are_watched(limits):
        spending = SpendingReader(engine, sweep_id)
        seen.limit = reached(limits, spending.read())
        tasks.append((_LIMITS_SECONDS, lambda: _see_to_limits(PlanStore(engine), spending, limits, sweep_id, seen)))
    thread = threading.Thread(target=_repeat, args=(tasks, is_over), name="oversight", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()
        wait_for_database(lambda: store.release(sweep_id, process), say=print)


def _repeat(tasks: list[tuple[float, Callable[[], None]]], is_over: threading.Event) -> None:
    """Do each task whenever its time has come; one that finds the database away is tried again after a second."""
    due = [time.monotonic() + pause for pause, _ in tasks]
    while not is_over.wait(_LOOK_SECONDS):
        for number, (pause, task) in enumerate(tasks):
            if time.monotonic() < due[number]:
                continue
            try:
                task()
            except (SQLAlchemyError, DatabaseError) as error:
                if not is_outage(error):
                    raise
            else:
                due[number] = time.monotonic() + pause


def _renew(store: DriverStore, sweep_id: int, process: Process, seen: Oversight) -> None:
    seen.is_replaced = seen.is_replaced or not store.renew(sweep_id, process)


def _see_to_limits(plan: PlanStore, spending: SpendingReader, limits: Limits, sweep_id: int, seen: Oversight) -> None:
    found = None if seen.limit else reached(limits, spending.read())
    if found:
        plan.request_drain(sweep_id)
        seen.limit = found
