"""`rlsweep explain`: which fields make two trials different ones."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption

NAME = "explain"

TrialArgument = Annotated[int, typer.Argument(help="Number of a trial, as `status` shows it.", show_default=False)]


def command(
    one: TrialArgument,
    other: TrialArgument,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name the fields in which two trials differ. Fields that do not change the numbers are not among them."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.sweepfile.identity import differences

    reader = Reader(open_database(resolve_url(database), create=False))
    found = differences(reader.trial(one)["science"], reader.trial(other)["science"])
    if as_json:
        rows = [{"field": field, "one": first, "other": second} for field, first, second in found]
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    if not found:
        typer.echo(f"Trials {one} and {other} are the same trial.")
        return
    table = Table("field", f"trial {one}", f"trial {other}", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for field, first, second in found:
        table.add_row(field, json.dumps(first), json.dumps(second))
    Console().print(table)
