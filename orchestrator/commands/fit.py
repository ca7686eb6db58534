"""`rlsweep fit`: a scaling law from a sweep's learning curves."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from orchestrator.commands.options import (
    BenchmarkOption,
    DatabaseOption,
    FromOption,
    HoldoutOption,
    JsonOption,
    ProtocolOption,
    SweepArgument,
    XOption,
)

NAME = "fit"


def command(
    sweep: SweepArgument = None,
    scope: Annotated[str | None, typer.Option("--scope", help="What varies: inter-model (sizes).")] = None,
    x: XOption = None,
    from_x: FromOption = None,
    holdout: HoldoutOption = None,
    benchmark: BenchmarkOption = None,
    protocol: ProtocolOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a scaling law, with its uncertainty, its forecasts and what speaks against it."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.fitting import FitRequest, fit_sweep
    from orchestrator.screens.fit_view import fit_as_json, render_fit

    engine = open_database(resolve_url(database), create=False)
    found = Reader(engine).sweep(sweep)
    request = FitRequest.resolve(
        found.fit_settings,
        scope=scope,
        x=x,
        from_x=from_x,
        holdout=holdout or (),
        benchmark=benchmark,
        protocol=protocol,
    )
    kept = fit_sweep(engine, found, request)
    if as_json:
        typer.echo(json.dumps({"fit_id": kept.fit_id, **fit_as_json(kept.fit, found.caveats)}, indent=1))
        return
    from rich.console import Console

    console = Console()
    render_fit(kept.fit, caveats=found.caveats, console=console)
    console.print(f"\nKept as fit {kept.fit_id}.", highlight=False)
