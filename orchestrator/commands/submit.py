"""`rlsweep submit`: run a sweep, or whatever of it is still missing."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import ArtifactsOption, DatabaseOption, SetOption, SweepFileArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from sqlalchemy import Engine

    from db.reader import SweepRow, TrialRow
    from db.store import Registration
    from orchestrator.artifact_places import ArtifactPlaces
    from orchestrator.launching.attempt_process import Launch
    from orchestrator.launching.oversight import Oversight
    from orchestrator.sweepfile.expand import ExpandedTrial

NAME = "submit"
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
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
) -> None:
    """Run a sweep. Run again, it does only what is missing."""
    from rich.console import Console

    from db.database import check_place, database_exists, open_database, resolve_url
    from db.reader import Reader
    from db.store import DriverStore
    from orchestrator.artifact_places import artifact_places
    from orchestrator.identified import identified
    from orchestrator.launching.launches import launches_of
    from orchestrator.launching.oversight import driver_of
    from orchestrator.machine import check_machine
    from orchestrator.planned_execution import as_planned
    from orchestrator.planning.local_data import check_all_local_data
    from orchestrator.registration import all_succeeded, register, remaining
    from orchestrator.runnable import check_runnable
    from orchestrator.sweepfile.loading import load_sweep
    from workers.provenance import is_dead

    console = Console()
    loaded = load_sweep(file, overrides or ())
    check_runnable(loaded)
    check_all_local_data(trial.spec for trial in loaded.trials)
    loaded = identified(as_planned(loaded))
    trials = loaded.trials
    url = resolve_url(database)

    # What can be refused is refused before anything is written.
    check_place(url)
    if address is None and not (database_exists(url) and all_succeeded(open_database(url), trials)):
        check_machine([trial.spec.execution for trial in trials])
    places = artifact_places(artifacts, url)
    places.folder.make()
    engine = open_database(url)
    DriverStore(engine, is_dead=is_dead).refuse_driven(loaded.sweep.name)
    registration = register(engine, loaded)
    reader = Reader(engine)
    sweep = reader.sweep(loaded.sweep.name)
    with driver_of(engine, sweep.id, limits=loaded.sweep.limits, cluster=address) as oversight:
        left = remaining(engine, sweep.id)
        _announce(console, sweep, registration, left)
        _warn_of_missing_scores(console, engine, reader.trials(sweep.id), left=left, trials=trials)
        interrupted = False
        if any(row.hold is None for row in left) and not oversight.limit:
            launches = launches_of(left, registration, loaded.trials, places)
            limit = loaded.sweep.limits.concurrent_trials
            interrupted = _run(
                console, engine, sweep, launches, address=address, limit=limit, places=places, oversight=oversight
            )
        ended = _once_the_database_is_there(console, lambda: reader.trials(sweep.id))
        _conclude(console, engine, sweep, ended, interrupted=interrupted, limit=oversight.limit)
    _exit_by_outcome(ended, interrupted=interrupted, limit=oversight.limit)


def _run(
    console: Console,
    engine: Engine,
    sweep: SweepRow,
    launches: Sequence[Launch],
    *,
    address: str | None,
    limit: int | None,
    places: ArtifactPlaces,
    oversight: Oversight,
) -> bool:
    """Run what is left and say how it went; returns whether it was interrupted."""
    from db.reader import Reader
    from orchestrator.launching.drive import drive
    from orchestrator.machine import trials_at_a_time
    from orchestrator.screens.watch import watch_sweep

    at_a_time = trials_at_a_time([launch.execution for launch in launches], limit=limit)
    console.print(f"Starting Ray; {at_a_time} trial{'s' * (at_a_time > 1)} at a time.", highlight=False)
    started = time.monotonic()
    reader = Reader(engine)
    interrupted = drive(
        engine,
        launches,
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
    _summarise(console, sweep, ended, seconds=time.monotonic() - started)
    return interrupted


def _once_the_database_is_there(console: Console, read: Callable[[], list[TrialRow]]) -> list[TrialRow]:
    """A database that restarts just as the last trial ends must not hide how the sweep went."""
    from db.connection.outage import wait_for_database

    return wait_for_database(read, say=lambda what: console.print(what, highlight=False, markup=False))


def _announce(console: Console, sweep: SweepRow, registration: Registration, left: list[TrialRow]) -> None:
    if sweep.question:
        console.print(f"{sweep.name}: {sweep.question}", highlight=False, markup=False, style="bold")
    number = len(registration.trial_ids)
    parts = [f"{number} trial{'s' * (number != 1)}"]
    words = {"new": "new", "unchanged": "unchanged", "removed": "no longer asked for (results are kept)"}
    for name, words_of_it in words.items():
        number = len(getattr(registration, name))
        if number:
            parts.append(f"{number} {words_of_it}")
    num_paused = sum(row.hold is not None for row in left)
    nothing = "" if left else "; nothing is left to do"
    paused = f"; {num_paused} paused, until `rlsweep resume {sweep.name}`" if num_paused else ""
    console.print(f"{', '.join(parts)}; {len(left) - num_paused} to run{nothing}{paused}.", highlight=False)


def _warn_of_missing_scores(
    console: Console, engine: Engine, rows: list[TrialRow], *, left: list[TrialRow], trials: Sequence[ExpandedTrial]
) -> None:
    """What a changed file asks of trials that are done is not computed, and must not pass for it."""
    from db.measurements import Measurements
    from orchestrator.unscored import unscored

    to_run = {row.trial_id for row in left}
    done = [(trial, row.step) for trial, row in zip(trials, rows, strict=True) if row.trial_id not in to_run]
    scores = Measurements(engine).scores(trial.science_hash for trial, _ in done)
    for sentence in unscored((trial.spec, step, scores.get(trial.science_hash, {})) for trial, step in done):
        console.print(f"Warning: {sentence}.", highlight=False, markup=False, style="yellow")


def _summarise(console: Console, sweep: SweepRow, trials: list[TrialRow], *, seconds: float) -> None:
    from orchestrator.screens.trial_table import duration, summary_line, trial_table

    if not console.is_terminal:  # a terminal has the live table's last state on it
        console.print(trial_table(sweep.name, trials, width=console.width))
    console.print(f"\n{summary_line(trials)} in {duration(seconds)}.", highlight=False)
    for trial in trials:
        if trial.state == "failed":
            reason = trial.message or "it never started; see logs/launch.log in its folder of artifacts"
            console.print(f"Trial {trial.trial_id} failed: {reason}", highlight=False, markup=False, style="red")
        if trial.state == "stopped":
            told = f"Trial {trial.trial_id} was stopped: {trial.message}"
            console.print(told, highlight=False, markup=False, style="magenta")


def _conclude(
    console: Console,
    engine: Engine,
    sweep: SweepRow,
    ended: list[TrialRow],
    *,
    interrupted: bool,
    limit: str | None,
) -> None:
    """The fit, if the sweep file asks for one and there is something to fit; then what to type next."""
    from db.errors import SpecError
    from db.reader import Reader
    from orchestrator.fitting import FitOptions, fit_sweep
    from orchestrator.screens.fits.page import render_fit
    from scaling.errors import FitError

    if interrupted:
        console.print("\nStopped. The same command continues from the last checkpoints.", highlight=False)
        return
    if limit and not _are_done(ended):
        console.print(
            f"\nStopped at a limit: {limit}. Raise it, and the same command continues from the last checkpoints.",
            highlight=False,
        )
        return
    if sweep.fit_settings is not None and Reader(engine).curve([trial.trial_id for trial in ended]):
        console.print()
        try:
            kept = fit_sweep(engine, sweep, FitOptions())
        except (FitError, SpecError) as error:
            console.print(f"No fit yet: {error}", highlight=False, markup=False)
        else:
            render_fit(kept.fitted.fit, caveats=sweep.caveats, console=console)
    if any(trial.state == "failed" for trial in ended):
        console.print("\nNext: rlsweep show TRIAL; the same command tries again.", highlight=False)
        return
    console.print(f"\nNext: rlsweep plot {sweep.name}   (or: rlsweep fit, status, show TRIAL)", highlight=False)


def _exit_by_outcome(trials: list[TrialRow], *, interrupted: bool, limit: str | None) -> None:
    if interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not _are_done(trials):
        raise typer.Exit(EXIT_AT_LIMIT if limit else EXIT_SOME_FAILED)


def _are_done(trials: list[TrialRow]) -> bool:
    """Whether every trial is at its last budget, ended by a health gate, or cancelled as asked: nothing less counts."""
    ends = ("stopped", "cancelled")
    return all(trial.state in ends or (trial.state == "succeeded" and trial.share == 1) for trial in trials)
