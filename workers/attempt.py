"""The process of one attempt: `python -m workers.attempt`, started by the launcher in a process group of its own.

It claims the trial, keeps its lease from a thread beside the training loop, turns a polite signal into a stop at
the end of the step, and ends the attempt in the store with what happened. It takes nothing on its command line but
numbers and folders; the database's URL, which may hold a password, comes in the environment.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from db.database import open_database, resolve_url
from db.errors import CheckpointError, EngineError, EnvironmentProblem, NumericalError, SpecError, StaleAttemptError
from db.reader import Reader
from db.states import AttemptState, Directive
from db.store import AttemptStore, claim
from db.store.leases import LEASE_SECONDS
from workers.provenance import this_process
from workers.spec import TrialSpec
from workers.trial import Folders, run_trial

# What the attempt recorded of its end. Any other exit code means that it recorded nothing.
EXIT_SUCCEEDED = 0
EXIT_FAILED = 10
EXIT_INTERRUPTED = 11
EXIT_STALE = 12


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.attempt", description=__doc__)
    parser.add_argument("--sweep-id", type=int, required=True)
    parser.add_argument("--trial-id", type=int, required=True)
    parser.add_argument("--models-folder", type=Path, required=True)
    parser.add_argument("--trial-folder", type=Path, required=True)
    arguments = parser.parse_args()

    _die_with_launcher()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    engine = open_database(resolve_url(None), create=False)
    reader = Reader(engine)
    spec = TrialSpec.model_validate(reader.spec(sweep_id=arguments.sweep_id, trial_id=arguments.trial_id))
    try:
        store = claim(engine, trial_id=arguments.trial_id, sweep_id=arguments.sweep_id, process=this_process())
    except StaleAttemptError as error:
        print(error, file=sys.stderr)
        return EXIT_STALE
    log = arguments.trial_folder / "logs" / f"attempt-{store.number}.log"
    _write_output_to(log)
    store.log_to(str(log))
    threading.Thread(target=_keep_lease, args=(store, stopping), name="lease", daemon=True).start()
    folders = Folders(models=arguments.models_folder, trial=arguments.trial_folder)
    return _run(spec, store=store, reader=reader, folders=folders, stopping=stopping)


def _run(spec: TrialSpec, *, store: AttemptStore, reader: Reader, folders: Folders, stopping: threading.Event) -> int:
    try:
        outcome = run_trial(spec, store=store, reader=reader, folders=folders, is_stopping=stopping.is_set)
    except StaleAttemptError as error:
        print(error, file=sys.stderr)
        return EXIT_STALE
    except BaseException as error:
        traceback.print_exc()
        store.end(
            AttemptState.FAILED,
            failure_class=failure_class(error),
            message=str(error) or type(error).__name__,
            traceback=traceback.format_exc(),
        )
        return EXIT_FAILED
    store.end(outcome)
    return EXIT_SUCCEEDED if outcome is AttemptState.SUCCEEDED else EXIT_INTERRUPTED


def failure_class(error: BaseException) -> str:
    """The kind of failure, in one word."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "disk_full"
    known: list[tuple[type[BaseException], str]] = [
        (SpecError, "spec"),
        (EnvironmentProblem, "environment"),
        (EngineError, "engine"),
        (NumericalError, "numerical"),
        (CheckpointError, "checkpoint"),
        (MemoryError, "host_memory"),
    ]
    for kind, name in known:
        if isinstance(error, kind):
            return name
    return "gpu_memory" if type(error).__name__ == "OutOfMemoryError" else "code"


def _die_with_launcher() -> None:
    """Kill this process group when the launcher is gone, however it went: our standard input is its lifeline."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _keep_lease(store: AttemptStore, stopping: threading.Event) -> None:
    """Renew the lease beside the training loop; a replaced attempt ends at once, writing nothing more."""
    pause = threading.Event()
    while not pause.wait(LEASE_SECONDS / 6):
        try:
            if store.renew() is Directive.DRAIN:
                stopping.set()
        except StaleAttemptError as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(EXIT_STALE)
        except SQLAlchemyError as error:  # busy or away: the next renewal may come through
            print(f"The lease was not renewed: {error}", file=sys.stderr, flush=True)


def _write_output_to(log: Path) -> None:
    """From here on everything this process and its libraries print goes to the attempt's log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
