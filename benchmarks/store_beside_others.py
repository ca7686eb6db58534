"""The same work in rlsweep's store, MLflow's and Optuna's: writing steps, how all trials are, the curve of one.

Each has a database of its own in the same SQLite folder or PostgreSQL server, with the settings that it makes itself.
Ratios are against rlsweep. Optuna writes one number a step where the others write all, and is not asked for batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine

from benchmarks.databases import postgresql_server, size_in_bytes, temporary_folder
from benchmarks.measure import print_figure, time_function
from benchmarks.other_stores import MeasuredStore, Mlflow, Optuna, Rlsweep
from db.connection.urls import resolve_url
from db.database import open_database

TRIALS, STEPS = 200, 60
_IN_A_CALL = 30
_TIMED_TRIALS = 10


def main() -> None:
    with temporary_folder() as folder:
        _compare("SQLite", lambda name: resolve_url(str(folder / f"{name}.db")), folder)
    with postgresql_server() as server, temporary_folder() as folder:
        _compare("PostgreSQL", lambda name: server.new_database(empty=name != "rlsweep"), folder)


def _compare(database: str, new_database: Callable[[str], URL], folder: Path) -> None:
    ours: dict[str, float] = {}
    for name in ("rlsweep", "MLflow", "Optuna"):
        url = new_database(name)
        with _opened(name, url, folder) as store:
            print_figure(f"{database}: {name}: numbers kept a step", store.numbers_a_step)
            for what, value, unit in _figures(store, url):
                own = ours.setdefault(what, value)
                worse = own / value if unit.endswith("/s") else value / own
                beside = "" if name == "rlsweep" else f"{worse:.3g} x as dear as rlsweep's"
                print_figure(f"{database}: {name}: {what}", f"{value:,.4g} {unit}", beside=beside)


@contextmanager
def _opened(name: str, url: URL, folder: Path) -> Iterator[MeasuredStore]:
    if name == "MLflow":
        yield Mlflow(url, folder)
    elif name == "Optuna":
        yield Optuna(url)
    else:
        engine = open_database(url)
        yield Rlsweep(engine)
        engine.dispose()


def _figures(store: MeasuredStore, url: URL) -> Iterator[tuple[str, float, str]]:
    """(what, value, unit) of everything that is compared."""
    store.start(TRIALS)
    before = _size(url)
    yield "steps, one a call", _rate(store, trials=range(_TIMED_TRIALS), in_a_call=1), "steps/s"
    rate = _rate(store, trials=range(_TIMED_TRIALS, TRIALS), in_a_call=_IN_A_CALL)
    if store.trial_at_once:
        yield f"steps, {_IN_A_CALL} a call", rate, "steps/s"
    kept = TRIALS * STEPS * store.numbers_a_step
    yield "size on disk of a number", (_size(url) - before) / kept, "bytes"
    assert store.status() == TRIALS
    yield f"how {TRIALS} trials are", 1000 * time_function(store.status, runs=7).median, "ms"
    assert store.curve(0) > 0
    yield "the curve of one", 1000 * time_function(lambda: store.curve(TRIALS // 2), runs=7).median, "ms"


def _rate(store: MeasuredStore, *, trials: range, in_a_call: int) -> float:
    started = time.perf_counter()
    for trial in trials:
        for first in range(1, STEPS + 1, in_a_call):
            store.write(trial, range(first, first + in_a_call))
    return len(trials) * STEPS / (time.perf_counter() - started)


def _size(url: URL) -> float:
    engine = create_engine(url)
    size = size_in_bytes(engine)
    engine.dispose()
    return size
