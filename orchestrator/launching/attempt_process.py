"""One attempt, on the node that Ray has chosen for it: a process of its own, and what is to be said of its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Engine

from db.connection.outage import wait_for_database
from db.database import open_database, resolve_url
from db.store import PlanStore
from orchestrator.launching.whole_process import wait_for_end, whole_process
from workers.attempt import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OUT_OF_MEMORY,
    EXIT_STALE,
    EXIT_STOPPED,
    EXIT_SUCCEEDED,
    EXIT_UNDELIVERED,
)
from workers.failures import class_of_death
from workers.oom_kills import oom_kills
from workers.provenance import NODE, is_dead
from workers.spec import Execution

T = TypeVar("T")

_LAST_WORDS_BYTES = 8192
_KNOWN_ENDS = (EXIT_SUCCEEDED, EXIT_STOPPED, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OUT_OF_MEMORY)


@dataclass(frozen=True)
class Launch:
    """A trial to be run, and where its files are; `checkpoints` is a folder or the URL of a place in a store.

    `program` is the module that its process runs, with the command line of `workers.attempt`. Its GPUs are waited for,
    until they are empty, for `gpu_wait_seconds`.
    """

    sweep_id: int
    trial_id: int
    models_folder: str
    trial_folder: str
    checkpoints: str
    execution: Execution
    node_id: str | None = None  # of the node that it was given
    program: str = "workers.attempt"
    gpu_wait_seconds: float = 120.0


def run_attempt(launch: Launch, *, line: int | None = None) -> bool:
    """Run one attempt in a process of its own; returns whether there was one to be made.

    `line` is a file descriptor for it: the line to the trial's other nodes, if it has any.

    Waits while an earlier attempt, of a driver that was killed say, still holds the trial, and while the database is
    away. Of an attempt that was killed, or could not say how it ended, it records what can be found out.
    """
    engine = waiting(lambda: engine_of(resolve_url(None)))
    plan = PlanStore(engine)
    declare_lost = partial(plan.declare_lost, launch.sweep_id, is_dead=is_dead)
    is_draining = partial(plan.is_draining, launch.sweep_id)
    waiting(declare_lost)
    while waiting(lambda: plan.is_held(launch.trial_id) and not is_draining()):
        time.sleep(1.0)
        waiting(declare_lost)
    if waiting(is_draining) or not waiting(lambda: _may_start(plan, launch.trial_id)):
        return False
    engine.dispose()  # while the attempt runs, for hours perhaps, nothing is asked here
    killed_before = oom_kills()
    exit_code = _run_process(launch, line)
    if exit_code == EXIT_OUT_OF_MEMORY:
        waiting(lambda: plan.recover(launch.trial_id))
    elif exit_code not in _KNOWN_ENDS and launch.trial_id in waiting(declare_lost):
        found, message = _cause_of_death(launch, exit_code, was_out_of_memory=oom_kills() != killed_before)
        waiting(lambda: plan.explain_loss(launch.trial_id, failure_class=found, message=message))
    return exit_code != EXIT_STALE


def _cause_of_death(launch: Launch, exit_code: int, *, was_out_of_memory: bool) -> tuple[str, str]:
    if exit_code == EXIT_UNDELIVERED:
        return (
            "timeout",
            "The database was away for too long; the next attempt delivers what it lacks.",
        )
    logs = Path(launch.trial_folder) / "logs"
    newest = max(logs.glob("*.log"), key=lambda log: log.stat().st_mtime)
    return class_of_death(exit_code, last_words(newest), was_out_of_memory=was_out_of_memory)


def last_words(log: Path) -> str:
    """The end of what a process has printed."""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _LAST_WORDS_BYTES, 0))
        return file.read().decode(errors="replace")


def _may_start(plan: PlanStore, trial_id: int) -> bool:
    """Whether it still is to run: what waited for a place may have been paused or cancelled meanwhile."""
    return any(each.may_start for each in plan.standing([trial_id]))


def is_waited_for(launch: Launch) -> bool:
    """Whether any trial of the sweep waits for a place."""
    plan = PlanStore(waiting(lambda: engine_of(resolve_url(None))))
    return waiting(lambda: plan.has_waiting(launch.sweep_id) and not plan.is_draining(launch.sweep_id))


@cache
def engine_of(database: URL) -> Engine:
    """One a process: what asks every second must not connect anew each time."""
    return open_database(database, create=False)


def waiting(operation: Callable[[], T]) -> T:
    """Do it once the database is there; Ray keeps what is printed in the worker's log."""
    return wait_for_database(operation, say=_say)


def _say(what: str) -> None:
    print(what, flush=True)


def _run_process(launch: Launch, line: int | None) -> int:
    log_of(launch).parent.mkdir(parents=True, exist_ok=True)
    pass_fds = () if line is None else (line,)
    with (
        log_of(launch).open("ab") as log,
        whole_process(
            _command(launch, line), environment=environment_of(launch), stdout=log, stderr=log, pass_fds=pass_fds
        ) as process,
    ):
        wait_for_end(process)
    return process.wait()


def log_of(launch: Launch) -> Path:
    """What an attempt prints before it has claimed its trial and has a log of its own."""
    return Path(launch.trial_folder) / "logs" / "launch.log"


def _command(launch: Launch, line: int | None) -> list[str]:
    return [
        sys.executable,
        "-m",
        launch.program,
        f"--sweep-id={launch.sweep_id}",
        f"--trial-id={launch.trial_id}",
        f"--models-folder={launch.models_folder}",
        f"--trial-folder={launch.trial_folder}",
        f"--checkpoints={launch.checkpoints}",
        *([] if line is None else [f"--launcher={line}"]),
    ]


def environment_of(launch: Launch) -> dict[str, str]:
    """Of a process that trains, on whichever node of the trial."""
    from workers.generation.vllm_engine import process_environment

    # Ray hides the other GPUs from a trial that has some, and none from a trial that has none.
    no_gpus = {} if launch.execution.num_gpus else {"CUDA_VISIBLE_DEVICES": ""}
    return {
        **os.environ,
        **no_gpus,
        **({NODE: launch.node_id} if launch.node_id else {}),
        **process_environment(launch.execution.cpus),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
        # Freed tensors stay in the heap instead of going back to the system: on a CPU, faulting their pages in
        # again at every step costs a tenth of the training time. Not those of 32 MiB and more, which would leave holes.
        "MALLOC_MMAP_THRESHOLD_": str(2**25),
        "MALLOC_TRIM_THRESHOLD_": str(2**40),
    }
