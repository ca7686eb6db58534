"""How many step rows a second the store takes: caught up with in batches, or one a transaction; from 1 and 8 processes.

Every row goes through `AttemptStore.record`, which proves in the same transaction that the attempt is the living one
and keeps the trial's progress. Each process writes a trial of its own; what it takes to make the records is counted.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

from sqlalchemy import URL, Engine

from benchmarks.databases import postgresql_database, postgresql_server, sqlite_database
from benchmarks.measure import print_figure
from db.database import open_database
from db.records import StepRecord
from db.store import AttemptStore, PlanStore, claim
from tests.records import HERE, SWEEP, planned, step

# What is caught up with after an outage goes in transactions of about this size.
BATCH = 500
_SECONDS = 5.0
_TARGETS = {"SQLite": 5_000, "PostgreSQL": 20_000}
_FIXED = {name: value for name, value in vars(step(1)).items() if not name.startswith(("cumulative_", "step"))}


@dataclass(frozen=True)
class Load:
    """Processes that write at once, each so many rows a transaction."""

    processes: int
    rows: int

    def __str__(self) -> str:
        rows = "one row a transaction" if self.rows == 1 else f"{self.rows} rows a transaction"
        return f"{self.processes} process{'es' * (self.processes > 1)}, {rows}"


LOADS = (Load(1, BATCH), Load(8, BATCH), Load(1, 1), Load(8, 1))


def main() -> None:
    with sqlite_database() as engine:
        print_rates("SQLite", engine)
    with postgresql_server() as server, postgresql_database(server) as engine:
        print_rates("PostgreSQL", engine)


def print_rates(database: str, engine: Engine, *, loads: tuple[Load, ...] = LOADS) -> None:
    """Print the rows a second for each load; the target is for what is sustained in batches."""
    for load in loads:
        rate = step_rows_per_second(engine, load)
        target = _TARGETS[database] if load.rows > 1 else None
        print_figure(
            f"{database}: {load}",
            f"{rate:,.0f} step rows/s",
            target=target and f">= {target:,}",
            met=target and rate >= target,
        )


def step_rows_per_second(engine: Engine, load: Load, *, seconds: float = _SECONDS) -> float:
    """Rows that all processes together have committed a second, over `seconds`."""
    attempts = _claimed(engine, load.processes)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.store_writes", "psycopg"])
    ready, written = context.Barrier(load.processes), context.Queue()
    started = [
        context.Process(
            target=_write,
            args=(engine.url, attempt),
            kwargs={"rows": load.rows, "seconds": seconds, "ready": ready, "written": written},
        )
        for attempt in attempts
    ]
    for process in started:
        process.start()
    rates = [written.get(timeout=60 + seconds) for _ in started]
    for process in started:
        process.join()
    return sum(rates)


def _claimed(engine: Engine, number: int) -> list[dict[str, int]]:
    """New trials, each with its living attempt."""
    name = f"writes-{time.monotonic_ns()}"
    sweep = PlanStore(engine).register(
        replace(SWEEP, name=name), [planned(i, science_hash=f"{name}:{i}") for i in range(number)]
    )
    stores = [claim(engine, trial_id=each, sweep_id=sweep.sweep_id, process=HERE) for each in sweep.trial_ids]
    return [{"trial_id": store.trial_id, "number": store.number, "sweep_id": store.sweep_id} for store in stores]


def _write(
    url: URL, attempt: dict[str, int], *, rows: int, seconds: float, ready: Barrier, written: Queue[float]
) -> None:
    engine = open_database(url, create=False)
    store = AttemptStore(engine, **attempt)
    records = _steps()
    store.record(*(next(records) for _ in range(rows)))  # connecting, and compiling statements, is not counted
    ready.wait()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        store.record(*(next(records) for _ in range(rows)))
        count += rows
    written.put(count / (time.perf_counter() - started))
    engine.dispose()


def _steps() -> Iterator[StepRecord]:
    number = 0
    while True:
        number += 1
        yield StepRecord(
            step=number, step_seconds=0.5037, cumulative_samples=64 * number, cumulative_tokens=6656 * number,
            cumulative_flops=1e19 * number, cumulative_seconds=0.5037 * number, **_FIXED,
        )  # fmt: skip


if __name__ == "__main__":
    main()
