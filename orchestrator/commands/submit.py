"""`rlsweep submit`: run a sweep, or whatever of it is still missing."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import ArtifactsOption, DatabaseOption, SetOption, SweepFileArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.console import Console
    from sqlalchemy import Engine

    from db.reader import SweepRow, TrialRow
    from orchestrator.artifact_places import ArtifactPlaces
    from orchestrator.launching.attempt_process import Launch
    from orchestrator.launching.oversight import Oversight
    from orchestrator.sweepfile.loading import LoadedSweep
    from orchestrator.sweepfile.retry import Retry

NAME = "submit"
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Leave the sweep to the cluster whose dashboard is at --address.")
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="A Ray cluster to run on, of which this machine is a node; or `auto`.  [default: a Ray of its own]",
        show_default=False,
    ),
]
EXIT_SOME_FAILED = 3
EXIT_AT_LIMIT = 4
EXIT_INTERRUPTED = 130  # as a shell reports Ctrl-C


def command(
    file: SweepFileArgument,
    overrides: SetOption = None,
    database: DatabaseOption = None,
    artifacts: ArtifactsOption = None,
    address: AddressOption = None,
    detach: DetachOption = False,
) -> None:
    """Run a sweep. Run again, it does only what is missing."""
    from rich.console import Console

    from orchestrator.runnable import check_runnable
    from orchestrator.screens.submission import are_done
    from orchestrator.sweepfile.loading import load_sweep

    console = Console()
    loaded = load_sweep(file, overrides or ())
    check_runnable(loaded)
    if detach:
        _send(console, file, loaded, overrides or (), database=database, artifacts=artifacts, address=address)
        return
    oversight, ended = _submit(console, loaded, database=database, artifacts=artifacts, address=address)
    if oversight.is_interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not are_done(ended):
        raise typer.Exit(EXIT_AT_LIMIT if oversight.limit else EXIT_SOME_FAILED)


def _submit(
    console: Console, loaded: LoadedSweep, *, database: str | None, artifacts: str | None, address: str | None
) -> tuple[Oversight, list[TrialRow]]:
    """Drive the sweep: what its driver has found, and how its trials stand at the end."""
    from db.database import check_place, database_exists, open_database, resolve_url
    from db.reader import Reader
    from db.store import DriverStore
    from orchestrator.artifact_places import artifact_places
    from orchestrator.identified import identified
    from orchestrator.launching.launches import launches_of
    from orchestrator.launching.oversight import driver_of
    from orchestrator.machine import check_machine
    from orchestrator.notifying.receivers import receivers_of
    from orchestrator.notifying.telling import notifying
    from orchestrator.planned_execution import as_planned, planned_costs
    from orchestrator.planning.local_data import check_all_local_data
    from orchestrator.registration import all_succeeded, register, remaining
    from orchestrator.screens.submission import announce, conclude, warn_of_missing_scores
    from workers.provenance import is_dead

    receivers = receivers_of(loaded.sweep.notify)
    check_all_local_data(trial.spec for trial in loaded.trials)
    loaded = identified(as_planned(loaded))
    url = resolve_url(database)

    # What can be refused is refused before anything is written.
    check_place(url)
    if address is None and not (database_exists(url) and all_succeeded(open_database(url), loaded.trials)):
        check_machine([trial.spec.execution for trial in loaded.trials])
    places = artifact_places(artifacts, url)
    places.folder.make()
    engine = open_database(url)
    DriverStore(engine, is_dead=is_dead).refuse_driven(loaded.sweep.name)
    registration = register(engine, loaded, planned_costs(loaded))
    reader = Reader(engine)
    sweep, limits = reader.sweep(loaded.sweep.name), loaded.sweep.limits
    with (
        driver_of(engine, sweep.id, limits=limits, cluster=address) as oversight,
        notifying(engine, sweep.id, receivers, why_stopped=oversight.why_stopped, say=partial(_say, console)),
    ):
        left = remaining(engine, sweep.id)
        announce(console, sweep, registration, left)
        warn_of_missing_scores(console, engine, reader.trials(sweep.id), left=left, trials=loaded.trials)
        if any(row.hold is None for row in left) and not oversight.limit:
            launches = launches_of(left, registration, loaded.trials, places)
            at_once = limits.concurrent_trials
            _run(
                console,
                engine,
                sweep,
                launches,
                address=address,
                retry=loaded.sweep.retry,
                limit=at_once,
                places=places,
                oversight=oversight,
            )
        ended = _once_the_database_is_there(console, lambda: reader.trials(sweep.id))
        conclude(console, engine, sweep, ended, interrupted=oversight.is_interrupted, limit=oversight.limit)
    return oversight, ended


def _send(
    console: Console,
    file: Path,
    loaded: LoadedSweep,
    overrides: Sequence[str],
    *,
    database: str | None,
    artifacts: str | None,
    address: str | None,
) -> None:
    """Leave the sweep to a driver on the cluster; what only the cluster can tell, it says in what it prints."""
    from db.database import resolve_url
    from db.errors import SpecError
    from orchestrator.launching.jobs import send
    from orchestrator.notifying.receivers import receivers_of, variables_of
    from orchestrator.sweepfile.self_contained import self_contained

    if address is None or not address.startswith(("http://", "https://")):
        raise SpecError("--detach needs the address of the cluster's dashboard, as in --address http://10.0.0.1:8265.")
    if artifacts is None:
        raise SpecError("--detach needs --artifacts: a folder that all nodes of the cluster see, or a store's URL.")
    name, text, hooks = loaded.sweep.name, self_contained(file, overrides), loaded.sweep.notify
    environment = {variable: os.environ.get(variable, "") for variable in variables_of(hooks)}
    receivers_of(hooks)
    job = send(
        name,
        text=text,
        options=["--artifacts", artifacts],
        database=resolve_url(database),
        environment=environment,
        address=address,
    )
    console.print(f"Sweep {name} is with the cluster at {address}, as job {job}.", highlight=False)
    console.print(f"Next: rlsweep logs {name} -f   (or: rlsweep status {name} --watch, pause, cancel)", highlight=False)


def _run(
    console: Console,
    engine: Engine,
    sweep: SweepRow,
    launches: Sequence[Launch],
    *,
    address: str | None,
    retry: Retry,
    limit: int | None,
    places: ArtifactPlaces,
    oversight: Oversight,
) -> None:
    """Run what is left and say how it went."""
    from db.reader import Reader
    from orchestrator.launching.drive import drive
    from orchestrator.machine import trials_at_a_time
    from orchestrator.screens.submission import summarise
    from orchestrator.screens.watch import watch_sweep

    at_a_time = limit
    if address is None:
        at_a_time = trials_at_a_time([launch.execution for launch in launches], limit=limit)
        console.print(f"Starting Ray; {at_a_time} trial{'s' * (at_a_time > 1)} at a time.", highlight=False)
    started = time.monotonic()
    reader = Reader(engine)
    drive(
        engine,
        launches,
        retry=retry,
        address=address,
        at_a_time=at_a_time,
        ray_folder=places.folder.ray,
        oversight=oversight,
        watch=partial(
            watch_sweep,
            reader,
            sweep_id=sweep.id,
            title=sweep.name,
            at_a_time=at_a_time or len(launches),
            console=console,
        ),
    )
    ended = _once_the_database_is_there(console, lambda: reader.trials(sweep.id))
    summarise(console, sweep, ended, seconds=time.monotonic() - started)


def _once_the_database_is_there(console: Console, read: Callable[[], list[TrialRow]]) -> list[TrialRow]:
    """A database that restarts just as the last trial ends must not hide how the sweep went."""
    from db.connection.outage import wait_for_database

    return wait_for_database(read, say=partial(_say, console))


def _say(console: Console, what: str) -> None:
    console.print(what, highlight=False, markup=False)
