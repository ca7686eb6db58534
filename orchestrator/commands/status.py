"""`rlsweep status`: the sweeps of a database, or the trials of one."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption, SweepArgument

NAME = "status"


def command(sweep: SweepArgument = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show how far the trials of a sweep have come."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.screens.trial_table import trial_table

    reader = Reader(open_database(resolve_url(database), create=False))
    found = reader.sweep(sweep)
    trials = reader.trials(found.id)
    if as_json:
        rows = [asdict(trial) | {"sweep": found.name, "share": trial.share} for trial in trials]
        typer.echo(json.dumps(rows, indent=1, default=str))
        return
    from rich.console import Console

    console = Console()
    console.print(trial_table(found.name, trials, width=console.width))
    others = [s.name for s in reader.sweeps() if s.id != found.id]
    if sweep is None and others:
        console.print(f"Other sweeps here: {', '.join(others)}", highlight=False)
