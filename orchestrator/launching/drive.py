"""Driving a sweep's trials to their end on Ray, and leaving the truth in the database however that ends."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Engine

from db.connection.outage import wait_for_database
from db.errors import SweepIsDriven
from db.reader import Reader
from db.states import TrialState
from db.store import PlanStore
from workers.provenance import is_dead

if TYPE_CHECKING:
    from orchestrator.launching.attempt_process import Launch
    from orchestrator.launching.oversight import Oversight
    from orchestrator.sweepfile.retry import Retry

T = TypeVar("T")


def drive(
    engine: Engine,
    launches: Sequence[Launch],
    *,
    retry: Retry,
    address: str | None,
    at_a_time: int | None,
    ray_folder: Path,
    oversight: Oversight,
    watch: Callable[[threading.Event], None],
) -> None:
    """Run trials until none is left; `watch` is called with an event that says when that is so.

    `address` is that of a Ray cluster, None for a Ray of its own; `at_a_time` is None where the cluster decides.

    The first Ctrl-C, of which `oversight` tells, asks the trials to save a checkpoint and stop; the second stops them
    at once. A driver that was replaced launches nothing more, and the attempts it launched end.
    """
    store, sweep_id = PlanStore(engine), launches[0].sweep_id
    interrupted = threading.Event()
    with _draining_on_interrupt(interrupted, lambda: _waiting(lambda: store.request_drain(sweep_id))):
        _waiting(lambda: store.queue([launch.trial_id for launch in launches], sweep_id=sweep_id))
        try:
            with _ray(engine.url, address, launches):
                run = partial(
                    _run,
                    launches,
                    engine.url,
                    retry=retry,
                    at_a_time=at_a_time,
                    has_own_ray=address is None,
                    folder=ray_folder,
                    oversight=oversight,
                )
                _in_background(run, watch)
                if not (interrupted.is_set() or oversight.limit or oversight.is_replaced):
                    _waiting(lambda: _end_the_hopeless(engine, launches))
        finally:
            oversight.is_interrupted = interrupted.is_set()
            shutil.rmtree(ray_folder, ignore_errors=True)  # Ray's own notes; nothing of ours is in them
            if not oversight.is_replaced:
                _waiting(lambda: _leave(store, sweep_id, launches))
    if oversight.is_replaced:
        raise SweepIsDriven("Another driver has taken over this sweep: this one was not heard of for too long.")


@contextmanager
def _ray(database: URL, address: str | None, launches: Sequence[Launch]) -> Iterator[None]:
    from orchestrator.launching import cluster

    if address is None:
        with cluster.ray_of_its_own(num_cpus=os.cpu_count() or 1):
            yield
        return
    with cluster.ray_cluster(database, address=address):
        from orchestrator.launching.nodes import check_nodes

        check_nodes(launches)
        yield


def _run(
    launches: Sequence[Launch],
    database: URL,
    *,
    retry: Retry,
    at_a_time: int | None,
    has_own_ray: bool,
    folder: Path,
    oversight: Oversight,
) -> None:
    from orchestrator.launching.tuning import run_trials  # once Ray runs: it reads its environment when it is imported

    folder.mkdir(parents=True, exist_ok=True)
    run_trials(
        launches,
        database=database,
        retry=retry,
        max_concurrent=at_a_time,
        # A new worker imports Ray Tune for seconds; but on a cluster, a place that waits is kept from others.
        keeps_places=has_own_ray,
        storage_folder=folder,
        is_replaced=lambda: oversight.is_replaced,
    )


def _leave(store: PlanStore, sweep_id: int, launches: Sequence[Launch]) -> None:
    """No attempt of this driver runs any more, and nobody waits for a place."""
    store.declare_lost(sweep_id, is_dead=is_dead)
    store.unqueue([launched.trial_id for launched in launches])
    store.clear_drain(sweep_id)


def _end_the_hopeless(engine: Engine, launches: Sequence[Launch]) -> None:
    """Ray has given up: trials that never started, or whose attempts kept dying without saying why, have failed."""
    from orchestrator.launching.attempt_process import log_of

    store, reader = PlanStore(engine), Reader(engine)
    store.declare_lost(launches[0].sweep_id, is_dead=is_dead)
    states = {row.trial_id: row.state for row in reader.trials(launches[0].sweep_id)}
    for launched in launches:
        if states[launched.trial_id] in (TrialState.QUEUED, TrialState.RECOVERING):
            lost = sum(attempt["state"] == "lost" for attempt in reader.attempts(launched.trial_id))
            what = f"Its attempts died without saying why ({lost} so far)" if lost else "It could not be started"
            store.fail(launched.trial_id, message=f"{what}; see {log_of(launched).parent}.")


def _waiting(operation: Callable[[], T]) -> T:
    """Do it once the database is there: one that restarts must not end a sweep."""
    return wait_for_database(operation, say=lambda what: print(what, flush=True))


def _in_background(work: Callable[[], None], watch: Callable[[threading.Event], None]) -> None:
    """Do `work` in a thread while this one watches; what `work` raises is raised here."""
    finished = threading.Event()
    raised: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            finished.set()

    thread = threading.Thread(target=body, name="ray-tune", daemon=True)
    thread.start()
    watch(finished)
    thread.join()
    if raised:
        raise raised[0]


@contextmanager
def _draining_on_interrupt(interrupted: threading.Event, drain: Callable[[], None]) -> Iterator[None]:
    """An interrupt sets the event and drains, from a thread, since the interrupted one may hold the database."""

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        threading.Thread(target=drain, name="drain", daemon=True).start()

    signals = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {number: signal.signal(number, on_interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
