"""Running trials on Ray Tune: the one place that imports Ray.

Ray decides where and when an attempt runs; the attempt itself is a process of its own (`workers.attempt`), started
in a fresh process group on the node that Ray chose. Results go to the database, never through Ray, so that a killed
driver loses nothing. The child's standard input is its lifeline: when the Ray worker dies, the pipe closes and the
whole process group goes with it.
"""

from __future__ import annotations

import logging
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from db.connection.outage import is_outage, wait_for_database
from db.database import check_single_node, open_database, resolve_url
from db.errors import DatabaseError, EnvironmentProblem
from db.store import PlanStore
from orchestrator.machine import RAY_MEMORY_GB
from orchestrator.trial_queue import TrialQueue
from workers.attempt import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OUT_OF_MEMORY, EXIT_STOPPED, EXIT_SUCCEEDED
from workers.provenance import is_dead
from workers.spec import Execution

T = TypeVar("T")

_KNOWN_ENDS = (EXIT_SUCCEEDED, EXIT_STOPPED, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OUT_OF_MEMORY)
_WITHOUT_END = 10**9  # starts that Ray Tune may make: the queue says when there is nothing left
_OBJECT_STORE_BYTES = 80 * 2**20  # Ray's minimum: nothing of size goes through it

_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C drains the sweep; see orchestrator.drive
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_worker_niceness": "0",  # a trial is what the machine is for, not background work
    "RAY_memory_monitor_refresh_ms": "0",  # it would kill trials by the host's memory, not by theirs
}


@dataclass(frozen=True)
class Launch:
    """A trial to be run, and where its files are; `checkpoints` is a folder or the URL of a place in a store."""

    sweep_id: int
    trial_id: int
    models_folder: str
    trial_folder: str
    checkpoints: str
    execution: Execution


def start_ray(database: URL, *, num_cpus: int) -> None:
    """Start Ray on this machine alone. Raises EnvironmentProblem with Ray's own reason if it cannot.

    Ray listens on the machine's own address, not on loopback only, so it is given a token that others do not have.
    The database's URL, which may hold a password, reaches Ray's workers through their environment.
    """
    os.environ |= _RAY_ENVIRONMENT | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RLSWEEP_DB": database.render_as_string(hide_password=False),
    }
    import ray

    try:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
        )
    except (ValueError, RuntimeError, OSError, ConnectionError, TimeoutError) as error:
        raise EnvironmentProblem(
            f"Ray did not start: {error}. It needs about {RAY_MEMORY_GB} GB of memory and room in /dev/shm and /tmp."
        ) from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    check_single_node(database, num_nodes=sum(node["Alive"] for node in ray.nodes()))


def stop_ray() -> None:
    """Stop Ray; attempts that still run lose their lifeline and end."""
    import ray

    ray.shutdown()


def run_trials(launches: Sequence[Launch], *, max_concurrent: int, storage_folder: Path) -> None:
    """Run the trials until none is left that could go on. What became of them is in the database."""
    from ray import tune

    by_trial = {launch.trial_id: launch for launch in launches}
    plan = PlanStore(_engine(resolve_url(None)))
    queue = TrialQueue(plan, launches[0].sweep_id, list(by_trial), ask=_waiting)

    def resources(config: dict[str, Any]) -> Any:
        execution = by_trial[config["trial_id"]].execution
        return tune.PlacementGroupFactory([{"CPU": execution.cpus, "GPU": execution.num_gpus}])

    def trainable(config: dict[str, Any]) -> dict[str, bool]:
        return {"died": not run_attempt(by_trial[config["trial_id"]])}

    tuner = tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=_searcher(queue), num_samples=_WITHOUT_END, max_concurrent_trials=max_concurrent,
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            name="rlsweep",
            storage_path=str(storage_folder.absolute()),
            stop=_drained_stopper(launches[0].sweep_id),
            verbose=0,
        ),
    )  # fmt: skip
    tuner.fit()


def _searcher(queue: TrialQueue) -> Any:
    """The queue as what Ray Tune asks for its next trial."""
    from ray.tune.search import Searcher

    class FromDatabase(Searcher):
        def __init__(self) -> None:
            super().__init__()
            self._trials: dict[str, int] = {}

        def suggest(self, trial_id: str) -> dict[str, int] | str | None:
            chosen = queue.next()
            if chosen is None:
                return Searcher.FINISHED if queue.is_over else None
            self._trials[trial_id] = chosen
            return {"trial_id": chosen}

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            queue.ended(self._trials.pop(trial_id), died=error or bool(result and result.get("died")))

        def save(self, checkpoint_path: str) -> None:
            """Nothing: the database is what a driver starts from."""

        def restore(self, checkpoint_path: str) -> None:
            """Nothing, for the same reason."""

    return FromDatabase()


def _drained_stopper(sweep_id: int) -> Any:
    """Ends Ray Tune once the sweep was asked to stop and no attempt is left: trials that wait for a place, or for
    a device that never comes, would otherwise each be started only to hear it."""
    from ray import tune

    class Drained(tune.Stopper):
        def __init__(self) -> None:
            self.asked_at = 0.0

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
            return False

        def stop_all(self) -> bool:
            if time.monotonic() - self.asked_at < 1.0:
                return False
            self.asked_at = time.monotonic()
            try:
                plan = PlanStore(_engine(resolve_url(None)))
                return plan.is_draining(sweep_id) and not plan.has_living_attempts(sweep_id)
            except (SQLAlchemyError, DatabaseError) as error:
                if is_outage(error):
                    return False
                raise

    return Drained()


def run_attempt(launch: Launch) -> bool:
    """Run one attempt in a process of its own; returns whether it is known how that ended.

    Waits while an earlier attempt, of a driver that was killed say, still holds the trial, and while the database is
    away. An attempt that was killed, or could not start, has recorded no end.
    """
    engine = _waiting(lambda: _engine(resolve_url(None)))
    plan = PlanStore(engine)
    declare_lost = partial(plan.declare_lost, launch.sweep_id, is_dead=is_dead)
    is_draining = partial(plan.is_draining, launch.sweep_id)
    _waiting(declare_lost)
    while _waiting(lambda: plan.is_held(launch.trial_id) and not is_draining()):
        time.sleep(1.0)
        _waiting(declare_lost)
    if _waiting(is_draining) or not _waiting(lambda: _may_start(plan, launch.trial_id)):
        return True
    engine.dispose()  # while the attempt runs, for hours perhaps, nothing is asked here
    exit_code = _run_process(launch)
    if exit_code == EXIT_OUT_OF_MEMORY:
        _waiting(lambda: plan.recover(launch.trial_id))
    if exit_code in _KNOWN_ENDS or _waiting(is_draining):
        return True
    _waiting(declare_lost)
    _say(f"An attempt at trial {launch.trial_id} ended with exit code {exit_code}; see {log_of(launch)}.")
    return False


def _may_start(plan: PlanStore, trial_id: int) -> bool:
    """Whether it still is to run: what waited for a place may have been paused or cancelled meanwhile."""
    return any(each.may_start for each in plan.standing([trial_id]))


@cache
def _engine(database: URL) -> Engine:
    """One a process: what asks every second must not connect anew each time."""
    return open_database(database, create=False)


def _waiting(operation: Callable[[], T]) -> T:
    """Do it once the database is there; Ray keeps what is printed in the worker's log."""
    return wait_for_database(operation, say=_say)


def _say(what: str) -> None:
    print(what, flush=True)


def _run_process(launch: Launch) -> int:
    log_of(launch).parent.mkdir(parents=True, exist_ok=True)
    with log_of(launch).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  (our own interpreter, our own arguments)
            _command(launch),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=_environment(launch),
        )
        return process.wait()


def log_of(launch: Launch) -> Path:
    """What an attempt prints before it has claimed its trial and has a log of its own."""
    return Path(launch.trial_folder) / "logs" / "launch.log"


def _command(launch: Launch) -> list[str]:
    return [
        sys.executable,
        "-m",
        "workers.attempt",
        f"--sweep-id={launch.sweep_id}",
        f"--trial-id={launch.trial_id}",
        f"--models-folder={launch.models_folder}",
        f"--trial-folder={launch.trial_folder}",
        f"--checkpoints={launch.checkpoints}",
    ]


def _environment(launch: Launch) -> dict[str, str]:
    from workers.generation.vllm_engine import process_environment

    # Ray hides the other GPUs from a trial that has some, and none from a trial that has none.
    no_gpus = {} if launch.execution.num_gpus else {"CUDA_VISIBLE_DEVICES": ""}
    return {
        **os.environ,
        **no_gpus,
        **process_environment(launch.execution.cpus),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        # Freed tensors stay in the heap instead of going back to the system: on a CPU, faulting their pages in
        # again at every step costs a tenth of the training time. Not those of 32 MiB and more, which would leave holes.
        "MALLOC_MMAP_THRESHOLD_": str(2**25),
        "MALLOC_TRIM_THRESHOLD_": str(2**40),
    }
