"""How long `rlsweep status`, a learning curve and the ledgers take in a database of years of work.

By default 10,000 trials of 1,000 steps: 10 million step rows. See `store_data` for what they look like.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from sqlalchemy import Engine, text

from benchmarks.databases import postgresql_database, postgresql_server, set_durability, sqlite_database
from benchmarks.measure import print_figure, time_commands, time_function
from benchmarks.store_data import ALL, EVALUATIONS, SMALL, SMALL_TRIALS, STEPS, Filled, fill
from benchmarks.store_writes import BATCH, Load, print_rates
from db.description.catalog import relation
from db.reader import Reader
from exchange.relation_query import relation_query

# What a step row takes while both databases and their logs are there, with room to spare.
_BYTES_PER_STEP = 800
_STATUS_SECONDS, _CURVE_SECONDS = 0.3, 0.05


def main(*, trials: int = 10_000) -> None:
    needed = float(_BYTES_PER_STEP * trials * STEPS)
    with sqlite_database(needed_bytes=needed) as engine:
        _measure("SQLite", engine, _filled("SQLite", engine, trials))
    with postgresql_server(needed_bytes=needed) as server, postgresql_database(server) as engine:
        set_durability(server, on=False)
        filled = _filled("PostgreSQL", engine, trials)
        set_durability(server, on=True)
        _measure("PostgreSQL", engine, filled)


def _filled(database: str, engine: Engine, trials: int) -> Filled:
    started = time.perf_counter()
    filled = fill(engine, trials=trials)
    size = f"{filled.total_bytes / 1e9:.2f} GB, made in {time.perf_counter() - started:.0f} s"
    print_figure(f"{database}: {trials:,} trials, {filled.steps:,} steps", size)
    print_figure(f"{database}: size on disk of a step row, with its key", f"{filled.step_bytes:.0f} bytes")
    return filled


def _measure(database: str, engine: Engine, filled: Filled) -> None:
    reader = Reader(engine)
    a_trial = reader.trials(reader.sweep(SMALL).id)[SMALL_TRIALS // 2].trial_id

    def figure(label: str, query: Callable[[], object], *, limit: float | None = None) -> None:
        timing = time_function(query, runs=7)
        target = "" if limit is None else f"< {limit * 1000:.0f} ms"
        print_figure(f"{database}: {label}", timing, target=target, met=limit is None or timing.median < limit)

    figure(f"status, {filled.trials:,} trials", lambda: _status(reader, ALL), limit=_STATUS_SECONDS)
    figure(f"status, {SMALL_TRIALS} trials", lambda: _status(reader, SMALL), limit=_STATUS_SECONDS)
    for sweep in (SMALL, ALL):
        url = engine.url.render_as_string(hide_password=False)
        (whole,) = time_commands([[sys.executable, "-m", "orchestrator.cli", "status", sweep, "--db", url]], runs=3)
        print_figure(f"{database}: the whole command `rlsweep status {sweep}`", whole)
    figure(f"learning curve of a trial, {EVALUATIONS} scores", lambda: reader.curve([a_trial]), limit=_CURVE_SECONDS)
    members = [trial.trial_id for trial in reader.trials(reader.sweep(SMALL).id)]
    figure(f"learning curves of {SMALL_TRIALS} trials", lambda: reader.curve(members))
    for view in ("flop_ledger", "final_result"):
        figure(f"{view} of {SMALL_TRIALS} trials, as exported", lambda view=view: _exported(engine, view))
        figure(f"{view} of {SMALL_TRIALS} trials, by the sweep's name", lambda view=view: _joined(engine, view))
    print_rates(f"{database}", engine, loads=(Load(1, BATCH), Load(1, 1)))


def _status(reader: Reader, sweep: str) -> object:
    return reader.trials(reader.sweep(sweep).id)


def _exported(engine: Engine, view: str) -> object:
    """As `rlsweep export --sweep` and DataFrames ask for it."""
    query = relation_query(relation(view), sweep_id=Reader(engine).sweep(SMALL).id)
    with engine.connect() as connection:
        return connection.execute(query).all()


def _joined(engine: Engine, view: str) -> object:
    """As analysts ask for it in SQL."""
    query = f"SELECT v.* FROM {view} v JOIN trial_status s ON s.trial_id = v.trial_id WHERE s.sweep = :sweep"
    with engine.connect() as connection:
        return connection.execute(text(query), {"sweep": SMALL}).all()
