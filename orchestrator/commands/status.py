"""`rlsweep status`: how far the trials of a sweep have come, once or for as long as it runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption, SweepArgument

NAME = "status"

WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Show it live, until every trial has an end.")]
OverviewOption = Annotated[
    bool, typer.Option("--overview", "-o", help="Progress by axis, pace and cost in place of a line for each trial.")
]
IntervalOption = Annotated[
    float, typer.Option("--interval", metavar="SECONDS", min=0.2, help="Pause between two looks of --watch.")
]


def command(
    sweep: SweepArgument = None,
    watch: WatchOption = False,
    overview: OverviewOption = False,
    interval: IntervalOption = 2.0,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far the trials of a sweep have come."""
    from db.database import open_database, resolve_url
    from db.progress import ProgressReader
    from db.reader import Reader
    from orchestrator.screens.sweep_overview import sweep_overview
    from orchestrator.screens.trial_table import trial_table
    from orchestrator.screens.watch import watch_overview

    engine = open_database(resolve_url(database), create=False)
    reader = Reader(engine)
    found = reader.sweep(sweep)
    if as_json:
        rows = [asdict(trial) | {"sweep": found.name, "share": trial.share} for trial in reader.trials(found.id)]
        both = {"progress": asdict(ProgressReader(engine, found.id).read()), "trials": rows}
        typer.echo(json.dumps(both if overview else rows, indent=1, default=str))
        return
    from rich.console import Console

    console = Console()
    if watch:
        watch_overview(reader, ProgressReader(engine, found.id), found, console=console, interval=interval)
        return
    trials = reader.trials(found.id)
    if overview:
        progress = ProgressReader(engine, found.id).read()
        console.print(sweep_overview(found.name, trials, progress, width=console.width, height=console.height))
        return
    console.print(trial_table(found.name, trials, width=console.width))
    others = [each.name for each in reader.sweeps() if each.id != found.id]
    if sweep is None and others:
        console.print(f"Other sweeps here: {', '.join(others)}", highlight=False)
