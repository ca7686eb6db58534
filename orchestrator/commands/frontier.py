"""`rlsweep frontier`: which size has the lowest test loss at which budget."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from orchestrator.commands import fit_options
from orchestrator.commands.options import DatabaseOption, JsonOption, SweepArgument
from orchestrator.fitting import FitOptions

NAME = "frontier"


@fit_options.takes_fit_options(tuple(name for name in fit_options.OF_FORECASTS if name != "holdout"))
def command(
    options: FitOptions,
    sweep: SweepArgument = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            metavar="N",
            help="A size that was not trained, in parameters without embeddings, as 14B; may be given several times.",
        ),
    ] = None,
    until: Annotated[
        float | None,
        typer.Option(
            "--until",
            metavar="X",
            parser=fit_options.amount("--until", "1e22 or 500K"),
            help="The largest budget, as 1e22 or 500K.  [default: ten times the largest one seen]",
        ),
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """The compute-optimal frontier: the best size at every budget, and where one hands over to the next."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.fitting import observed
    from orchestrator.screens.fits import forecasts
    from orchestrator.screens.fits.json_numbers import finite
    from orchestrator.screens.fits.page import print_remarks
    from scaling.forecasting.frontier import frontier
    from scaling.selection import sizes_asked

    engine = open_database(resolve_url(database), create=False)
    found = Reader(engine).sweep(sweep)
    source = observed(engine, found, options)
    print_remarks(source.remarks)
    law = source.settings.given("k_form", "estimator", "draws")
    sizes = sizes_asked(source.rows, also or ())
    made = frontier(source.observations, to_x=until, sizes=list(sizes) or None, **law)
    if as_json:
        typer.echo(json.dumps(finite(asdict(made)), indent=1))
        return
    from rich.console import Console

    forecasts.show(forecasts.frontier_page(made), caveats=found.caveats, console=Console())
