"""`rlsweep show`: one trial, its attempts and its learning curve."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption

NAME = "show"


def command(
    trial: Annotated[int, typer.Argument(help="Number of the trial, as `status` shows it.", show_default=False)],
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one trial: what it is, its attempts, its learning curve."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.screens.trial_page import print_trial_page

    reader = Reader(open_database(resolve_url(database), create=False))
    details = reader.trial(trial)
    costs = {row["attempt"]: row for row in reader.attempt_costs(trial)}
    attempts = [{**costs[row["number"]], **row} for row in reader.attempts(trial)]
    curve = [dict(row) for row in reader.curve([trial])]
    if as_json:
        typer.echo(json.dumps({"trial": details, "attempts": attempts, "curve": curve}, indent=1, default=str))
        return
    from rich.console import Console

    print_trial_page(Console(), details, attempts, curve, now=reader.now())
