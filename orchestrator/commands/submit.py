"""`rlsweep submit`: run a sweep, or whatever of it is still missing."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import DatabaseOption, SetOption, SweepFileArgument

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy import Engine

    from db.reader import SweepRow
    from db.store import Registration

NAME = "submit"
EXIT_SOME_FAILED = 3


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

    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator import submit
    from orchestrator.expand import expand
    from orchestrator.sweep_file import load_sweep
    from orchestrator.watch import watch_sweep

    console = Console()
    loaded = load_sweep(file, overrides or ())
    trials = expand(loaded)
    url = resolve_url(database)
    engine = open_database(url)
    artifacts = submit.Artifacts((artifacts_folder or _default_artifacts(url.database)).absolute())
    artifacts.make()
    registration = submit.register(engine, loaded, trials)
    reader = Reader(engine)
    sweep = reader.sweep(loaded.sweep.name)
    left = submit.remaining(engine, sweep.id)
    _announce(console, sweep, registration, num_left=len(left))
    if left:
        started = time.monotonic()
        at_a_time = submit.trials_at_a_time(trials, limit=loaded.sweep.limits.concurrent_trials)
        console.print(f"Starting Ray; {at_a_time} trial{'s' * (at_a_time > 1)} at a time.", highlight=False)

        def watch(finished: threading.Event) -> None:
            watch_sweep(
                reader, sweep_id=sweep.id, title=sweep.name, at_a_time=at_a_time, console=console, finished=finished
            )

        submit.run(
            engine,
            sweep_id=sweep.id,
            trials=left,
            specs=dict(zip(registration.trial_ids, trials, strict=True)),
            artifacts=artifacts,
            at_a_time=at_a_time,
            watch=watch,
        )
        _summarise(console, reader, sweep, seconds=time.monotonic() - started)
    _conclude(console, engine, sweep)
    _exit_by_outcome(reader, sweep)


def _default_artifacts(database: str | None) -> Path:
    """Beside an SQLite file; in the working folder for a server's database, which has no place of its own."""
    from db.database import is_sqlite_file

    folder = Path(database).parent if database and is_sqlite_file(database) else Path.cwd()
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


def _summarise(console: Console, reader: object, sweep: SweepRow, *, seconds: float) -> None:
    from db.reader import Reader
    from orchestrator.trial_table import duration, summary_line, trial_table

    assert isinstance(reader, Reader)
    trials = reader.trials(sweep.id)
    if not console.is_terminal:  # a terminal has the live table's last state on it
        console.print(trial_table(sweep.name, trials))
    console.print(f"\n{summary_line(trials)} in {duration(seconds)}.", highlight=False)
    for trial in trials:
        if trial.state == "failed":
            console.print(f"[red]Trial {trial.trial_id} failed[/]: {trial.message}", highlight=False)


def _conclude(console: Console, engine: Engine, sweep: SweepRow) -> None:
    """The fit, if the sweep file asks for one and there is something to fit; then what to type next."""


def _exit_by_outcome(reader: object, sweep: SweepRow) -> None:
    from db.reader import Reader

    assert isinstance(reader, Reader)
    if any(trial.state == "failed" for trial in reader.trials(sweep.id)):
        raise typer.Exit(EXIT_SOME_FAILED)
