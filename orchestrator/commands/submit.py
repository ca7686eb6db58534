"""`rlsweep submit`: run a sweep, or whatever of it is still missing."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import DatabaseOption, SetOption, SweepFileArgument

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy import URL, Engine

    from db.reader import Reader, SweepRow
    from db.store import Registration

NAME = "submit"
EXIT_SOME_FAILED = 3
EXIT_INTERRUPTED = 130  # as a shell reports Ctrl-C


def command(
    file: SweepFileArgument,
    overrides: SetOption = None,
    database: DatabaseOption = None,
    artifacts_folder: Annotated[
        Path | None,
        typer.Option(
            "--artifacts",
            metavar="FOLDER",
            envvar="RLSWEEP_ARTIFACTS",
            show_envvar=True,
            help="Where models, checkpoints and logs go.  [default: rlsweep_artifacts beside the database]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a sweep. Run again, it does only what is missing."""
    from rich.console import Console

    from db.database import database_exists, open_database, resolve_url
    from db.reader import Reader
    from orchestrator import submit
    from orchestrator.screens.watch import watch_sweep
    from orchestrator.sweepfile.expand import expand
    from orchestrator.sweepfile.language import load_sweep

    console = Console()
    loaded = load_sweep(file, overrides or ())
    trials = expand(loaded)
    url = resolve_url(database)
    if not database_exists(url):
        submit.check_machine(trials)  # before anything is written
    engine = open_database(url)
    artifacts = submit.Artifacts((artifacts_folder or _default_artifacts(url)).absolute())
    artifacts.make()
    registration = submit.register(engine, loaded, trials)
    reader = Reader(engine)
    sweep = reader.sweep(loaded.sweep.name)
    left = submit.remaining(engine, sweep.id)
    _announce(console, sweep, registration, num_left=len(left))
    interrupted = False
    if left:
        submit.check_machine(trials)
        started = time.monotonic()
        at_a_time = submit.trials_at_a_time(trials, limit=loaded.sweep.limits.concurrent_trials)
        console.print(f"Starting Ray; {at_a_time} trial{'s' * (at_a_time > 1)} at a time.", highlight=False)
        interrupted = submit.run(
            engine,
            sweep_id=sweep.id,
            trials=left,
            specs=dict(zip(registration.trial_ids, trials, strict=True)),
            artifacts=artifacts,
            at_a_time=at_a_time,
            watch=partial(
                watch_sweep, reader, sweep_id=sweep.id, title=sweep.name, at_a_time=at_a_time, console=console
            ),
        )
        _summarise(console, reader, sweep, seconds=time.monotonic() - started)
    _conclude(console, engine, sweep, interrupted=interrupted)
    _exit_by_outcome(reader, sweep, interrupted=interrupted)


def _default_artifacts(url: URL) -> Path:
    """Beside an SQLite file; in the working folder for a server's database, which has no place of its own."""
    folder = Path(url.database or "").parent if url.get_backend_name() == "sqlite" else Path.cwd()
    return folder / "rlsweep_artifacts"


def _announce(console: Console, sweep: SweepRow, registration: Registration, *, num_left: int) -> None:
    if sweep.question:
        console.print(f"[bold]{sweep.name}[/]: {sweep.question}", highlight=False)
    parts = [f"{len(registration.trial_ids)} trials"]
    for word in ("new", "unchanged", "removed"):
        number = len(getattr(registration, word))
        if number:
            parts.append(f"{number} {word}")
    nothing = "" if num_left else "; nothing is left to do"
    console.print(f"{', '.join(parts)}; {num_left} to run{nothing}.", highlight=False)


def _summarise(console: Console, reader: Reader, sweep: SweepRow, *, seconds: float) -> None:
    from orchestrator.screens.trial_table import duration, summary_line, trial_table

    trials = reader.trials(sweep.id)
    if not console.is_terminal:  # a terminal has the live table's last state on it
        console.print(trial_table(sweep.name, trials, width=console.width))
    console.print(f"\n{summary_line(trials)} in {duration(seconds)}.", highlight=False)
    for trial in trials:
        if trial.state == "failed":
            reason = trial.message or "it never started; see logs/launch.log in its folder of artifacts"
            console.print(f"[red]Trial {trial.trial_id} failed[/]: {reason}", highlight=False)


def _conclude(console: Console, engine: Engine, sweep: SweepRow, *, interrupted: bool) -> None:
    """The fit, if the sweep file asks for one and there is something to fit; then what to type next."""
    from db.reader import Reader
    from orchestrator.fitting import FitRequest, fit_sweep
    from orchestrator.screens.fit_view import render_fit
    from scaling.errors import FitError

    if interrupted:
        console.print("\nStopped. The same command continues from the last checkpoints.", highlight=False)
        return
    if sweep.fit_settings is not None and Reader(engine).curve([t.trial_id for t in Reader(engine).trials(sweep.id)]):
        request = FitRequest.resolve(sweep.fit_settings, scope=None, x=None, from_x=None)
        console.print()
        try:
            kept = fit_sweep(engine, sweep, request)
        except FitError as error:
            console.print(f"No fit yet: {error}", highlight=False)
        else:
            render_fit(kept.fit, caveats=sweep.caveats, console=console)
    console.print(f"\nNext: rlsweep plot {sweep.name}   (or: rlsweep fit, status, show TRIAL)", highlight=False)


def _exit_by_outcome(reader: Reader, sweep: SweepRow, *, interrupted: bool) -> None:
    if any(trial.state == "failed" for trial in reader.trials(sweep.id)):
        raise typer.Exit(EXIT_SOME_FAILED)
    if interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
