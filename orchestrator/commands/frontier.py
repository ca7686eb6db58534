"""`rlsweep frontier`: which size has the lowest test loss at which budget."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from orchestrator.commands.options import (
    BenchmarkOption,
    DatabaseOption,
    DrawsOption,
    EstimatorOption,
    FromOption,
    JsonOption,
    KFormOption,
    ProtocolOption,
    SweepArgument,
    ToOption,
    WhereOption,
    XOption,
)

NAME = "frontier"


def command(
    sweep: SweepArgument = None,
    also: Annotated[
        list[float] | None,
        typer.Option("--also", metavar="N", help="A size that was not trained, in parameters without embeddings."),
    ] = None,
    until: Annotated[
        float | None,
        typer.Option("--until", metavar="X", help="The largest budget; ten times the largest seen if left out."),
    ] = None,
    x: XOption = None,
    from_x: FromOption = None,
    to_x: ToOption = None,
    benchmark: BenchmarkOption = None,
    protocol: ProtocolOption = None,
    where: WhereOption = None,
    k_form: KFormOption = None,
    estimator: EstimatorOption = None,
    draws: DrawsOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """The compute-optimal frontier: the best size at every budget, and where one hands over to the next."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.fitting import FitOptions, evaluations, settings_of
    from orchestrator.screens.fits import forecasts
    from orchestrator.screens.fits.json_numbers import finite
    from scaling.forecasting.frontier import frontier
    from scaling.scopes import observations_of
    from scaling.selection import select

    engine = open_database(resolve_url(database), create=False)
    found = Reader(engine).sweep(sweep)
    rows = evaluations(engine, found)
    options = FitOptions(
        scope="inter-model",
        x=x,
        from_x=from_x,
        to_x=to_x,
        benchmark=benchmark,
        protocol=protocol,
        where=where or (),
        k_form=k_form,
        estimator=estimator,
        draws=draws,
    )
    settings = settings_of(options, found.fit_settings, rows)
    observations = observations_of(select(rows, settings), settings)
    law = settings.given("k_form", "estimator", "draws")
    made = frontier(observations, to_x=until, sizes=[round(each) for each in also or ()] or None, **law)
    if as_json:
        typer.echo(json.dumps(finite(asdict(made)), indent=1))
        return
    from rich.console import Console

    forecasts.show(forecasts.frontier_page(made), caveats=found.caveats, console=Console())
