"""`rlsweep predict`: what a size will reach at a budget, or which budget a loss takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from orchestrator.commands import fit_options
from orchestrator.commands.options import DatabaseOption, JsonOption, SweepArgument
from orchestrator.fitting import FitOptions

NAME = "predict"


@fit_options.takes_fit_options(fit_options.OF_FORECASTS)
def command(
    options: FitOptions,
    sweep: SweepArgument = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size",
            metavar="MODEL",
            help="A model of the sweep, or parameters without embeddings, as 14B; may be given several times.  "
            "[default: every size of the sweep]",
        ),
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option(
            "--at",
            metavar="X",
            parser=fit_options.amount("--at", "100K or 1e21"),
            help="Budget on the x-axis, as 100K or 1e21; may be given several times.  [default: the largest one seen]",
        ),
    ] = None,
    loss: Annotated[
        float | None,
        typer.Option(
            "--loss",
            metavar="L",
            parser=fit_options.share("--loss", "0.4: losses are 1 - pass@1"),
            help="Tell the budget at which this test loss is reached instead, as 0.4.",
        ),
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forecast the test loss of sizes, seen or not, at budgets, with intervals and what each forecast had seen."""
    from db.database import open_database, resolve_url
    from db.errors import SpecError
    from db.reader import Reader
    from orchestrator.fitting import observed
    from orchestrator.screens.fits import forecasts
    from orchestrator.screens.fits.json_numbers import finite
    from orchestrator.screens.fits.page import print_remarks
    from scaling.forecasting.predict import budget_for, predict
    from scaling.selection import sizes_asked

    if loss is not None and at:
        raise SpecError("Give --at, for the loss at a budget, or --loss, for the budget of a loss: one of them.")
    engine = open_database(resolve_url(database), create=False)
    found = Reader(engine).sweep(sweep)
    source = observed(engine, found, options)
    print_remarks(source.remarks)
    law: dict[str, Any] = source.settings.given("k_form", "estimator", "holdout", "draws")
    sizes = list(sizes_asked(source.rows, size or ()))
    if loss is None:
        made = predict(source.observations, sizes=sizes or None, x=at or None, **law)
        page = forecasts.prediction_page(made)
        content: Any = asdict(made)
    else:
        every = source.observations.sizes("train")
        budgets = [budget_for(source.observations, loss=loss, size=each, **law) for each in sizes or every]
        page = forecasts.budget_page(budgets, source.observations.x_kind)
        content = [asdict(each) for each in budgets]
    if as_json:
        typer.echo(json.dumps(finite(content), indent=1))
        return
    from rich.console import Console

    forecasts.show(page, caveats=found.caveats, console=Console())
