"""The process of one attempt: `python -m workers.attempt`, started by the launcher in a process group of its own.

It claims the trial, keeps its lease from a thread beside the training loop, turns a polite signal into a stop at
the end of the step, and ends the attempt in the store with what happened. A database that is away is waited for at
the start and at the end; in between the trial goes on without it. The command line takes nothing but numbers and
places; the database's URL, which may hold a password, comes in the environment.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from db.connection.outage import WAIT_LIMIT_SECONDS, wait_for_database
from db.database import open_database, resolve_url
from db.errors import StaleAttemptError, UnhealthyTrial
from db.reader import Reader
from db.states import AttemptState, Directive
from db.store.leases import LEASE_SECONDS
from db.store.spool import SpoolingAttemptStore, claim_with_spool, deliver_left_behind
from workers.bounded_logs import keep_bounded
from workers.failures import FAILURE_CLASSES, failure_class
from workers.health import Heartbeat, watch_for_stall
from workers.micro_batches import OUT_OF_MEMORY, after_failures, micro_batch, smaller
from workers.provenance import this_process
from workers.spec import TrialSpec
from workers.trial import Folders, run_trial

# What the attempt recorded of its end. Any other exit code means that it recorded nothing.
EXIT_SUCCEEDED = 0
EXIT_STOPPED = 15
EXIT_FAILED = 10
EXIT_INTERRUPTED = 11
EXIT_STALE = 12
# As failed, for want of GPU memory, and a smaller micro-batch may do: the next attempt takes one.
EXIT_OUT_OF_MEMORY = 14
# Its end waits on this machine, with what else the database does not have; the next attempt delivers it.
EXIT_UNDELIVERED = 13

_EXIT_CODES = {
    AttemptState.SUCCEEDED: EXIT_SUCCEEDED,
    AttemptState.STOPPED: EXIT_STOPPED,
    AttemptState.FAILED: EXIT_FAILED,
    AttemptState.INTERRUPTED: EXIT_INTERRUPTED,
}
_LOOK_SECONDS = 1.0


def main(run_it: Callable[..., AttemptState] = run_trial) -> int:
    """The exit code. `run_it` is called as `run_trial` is, once the trial is claimed."""
    parser = argparse.ArgumentParser(prog="python -m workers.attempt", description=__doc__)
    parser.add_argument("--sweep-id", type=int, required=True)
    parser.add_argument("--trial-id", type=int, required=True)
    parser.add_argument("--models-folder", type=Path, required=True)
    parser.add_argument("--trial-folder", type=Path, required=True)
    parser.add_argument("--checkpoints", required=True)
    parser.add_argument("--launcher", type=int, metavar="FD", help="the line to the trial's other nodes")
    parser.add_argument("--wait-seconds", type=float, default=WAIT_LIMIT_SECONDS)
    arguments = parser.parse_args()

    _die_with_launcher()
    stopping, signalled = threading.Event(), threading.Event()

    def on_signal(*_: object) -> None:
        signalled.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)

    wait = partial(wait_for_database, say=_say, limit_seconds=arguments.wait_seconds)
    engine = wait(lambda: open_database(resolve_url(None), create=False))
    reader = Reader(engine)
    found = wait(lambda: reader.spec(sweep_id=arguments.sweep_id, trial_id=arguments.trial_id))
    spool = arguments.trial_folder / "spool"
    left = wait(lambda: deliver_left_behind(engine, spool, trial_id=arguments.trial_id, say=_say))
    if left in (AttemptState.FAILED, AttemptState.STOPPED):
        return _EXIT_CODES[left]
    attempts = wait(lambda: reader.attempts(arguments.trial_id))
    spec = after_failures(TrialSpec.model_validate(found), attempts)
    claim = partial(claim_with_spool, engine, trial_id=arguments.trial_id, sweep_id=arguments.sweep_id)
    try:
        store = wait(lambda: claim(process=this_process(), folder=spool, say=_say))
        log = arguments.trial_folder / "logs" / f"attempt-{store.number}.log"
        _write_output_to(log)
        store.log_to(str(log))
        keep_bounded(log.parent)
        threading.Thread(target=_keep_lease, args=(store, stopping), name="lease", daemon=True).start()
        folders = Folders(
            models=arguments.models_folder, trial=arguments.trial_folder, checkpoints=arguments.checkpoints
        )
        on_loss = partial(_end_from_a_thread, store, arguments.wait_seconds, spec)
        heartbeat = Heartbeat()
        if spec.health.stall_minutes is not None:
            watch_for_stall(heartbeat, minutes=spec.health.stall_minutes, on_stall=partial(on_loss, "timeout"))
        run = partial(
            run_it,
            spec,
            store=store,
            reader=reader,
            folders=folders,
            is_stopping=stopping.is_set,
            on_loss=on_loss,
            heartbeat=heartbeat,
            launcher=arguments.launcher,
        )
        exit_code, failure = _run(run, store, signalled=signalled, wait_seconds=arguments.wait_seconds)
        return _exit_failed(spec, failure) if exit_code == EXIT_FAILED else exit_code
    except StaleAttemptError as error:
        _say(error)
        return EXIT_STALE


def _run(
    run: Callable[[], AttemptState],
    store: SpoolingAttemptStore,
    *,
    signalled: threading.Event,
    wait_seconds: float,
) -> tuple[int, str | None]:
    """Run the trial and record how it ended: the exit code, and the kind of failure.

    Returns once the database knows, or cannot be waited for any longer.
    """
    failure = None
    try:
        outcome = run()
        if outcome is AttemptState.INTERRUPTED and signalled.is_set() and store.renew() is Directive.CONTINUE:
            failure, told = "preempted", f"Interrupted: {FAILURE_CLASSES['preempted']}."
            store.end(outcome, failure_class=failure, message=told)
        else:
            store.end(outcome)
        is_known = store.wait_until_delivered(wait_seconds)
    except StaleAttemptError:
        raise
    except UnhealthyTrial as ended:
        outcome = AttemptState.STOPPED
        store.end(outcome, outcome=ended.outcome, message=str(ended))
        is_known = store.wait_until_delivered(wait_seconds)
    except BaseException as error:
        traceback.print_exc()
        outcome, failure = AttemptState.FAILED, failure_class(error)
        store.end(
            outcome,
            failure_class=failure,
            message=str(error) or type(error).__name__,
            traceback=traceback.format_exc(),
        )
        is_known = store.wait_until_delivered(wait_seconds)
    return _EXIT_CODES[outcome] if is_known else EXIT_UNDELIVERED, failure


def _exit_failed(spec: TrialSpec, failure: str | None) -> int:
    may_go_on = failure == OUT_OF_MEMORY and smaller(spec, micro_batch(spec)) is not None
    return EXIT_OUT_OF_MEMORY if may_go_on else EXIT_FAILED


def _end_from_a_thread(
    store: SpoolingAttemptStore, wait_seconds: float, spec: TrialSpec, failure: str, message: str
) -> None:
    """Record why and end, where the training thread waits in vain: for another process of the trial, or for ever."""
    store.end(AttemptState.FAILED, failure_class=failure, message=message)
    os._exit(_exit_failed(spec, failure) if store.wait_until_delivered(wait_seconds) else EXIT_UNDELIVERED)


def _die_with_launcher() -> None:
    """Kill this process group when the launcher is gone, however it went: our standard input is its lifeline."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _keep_lease(store: SpoolingAttemptStore, stopping: threading.Event) -> None:
    """Renew the lease beside the training loop; a replaced attempt ends at once, writing nothing more.

    While the database is away it is asked every second, and what waits for it is delivered. No error ends this thread:
    without it the trial would be taken for dead while it trains, and an end that waits would never be delivered.
    """
    pause = threading.Event()
    renewed_at = time.monotonic()
    while not pause.wait(_LOOK_SECONDS):
        if not store.is_away and time.monotonic() - renewed_at < LEASE_SECONDS / 6:
            continue
        renewed_at = time.monotonic()
        try:
            if store.renew() is Directive.DRAIN:
                stopping.set()
        except StaleAttemptError as error:
            _say(error)
            os._exit(EXIT_STALE)
        except Exception as error:  # whatever it is, the lease is tried again; the training thread hears of it too
            _say(f"The lease was not renewed: {error or type(error).__name__}")


def _say(what: object) -> None:
    """Into the log; a disk that has no room for it must not end what it tells of."""
    with suppress(OSError):
        print(what, file=sys.stderr, flush=True)


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
