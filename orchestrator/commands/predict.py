"""`rlsweep predict`: what a size will reach at a budget, or which budget a loss takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands.options import (
    BenchmarkOption,
    DatabaseOption,
    DrawsOption,
    EstimatorOption,
    FromOption,
    HoldoutOption,
    JsonOption,
    KFormOption,
    ProtocolOption,
    SweepArgument,
    ToOption,
    WhereOption,
    XOption,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaling.observations import Row

NAME = "predict"


def command(
    sweep: SweepArgument = None,
    size: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="MODEL", help="A model of the sweep, or parameters without embeddings: 14e9."),
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option("--at", metavar="X", help="Budget on the x-axis; the largest one seen if left out."),
    ] = None,
    loss: Annotated[
        float | None,
        typer.Option("--loss", metavar="L", help="Tell the budget at which this test loss is reached instead."),
    ] = None,
    x: XOption = None,
    from_x: FromOption = None,
    to_x: ToOption = None,
    holdout: HoldoutOption = None,
    benchmark: BenchmarkOption = None,
    protocol: ProtocolOption = None,
    where: WhereOption = None,
    k_form: KFormOption = None,
    estimator: EstimatorOption = None,
    draws: DrawsOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forecast the test loss of sizes, seen or not, at budgets, with intervals and what each forecast had seen."""
    from db.database import open_database, resolve_url
    from db.errors import SpecError
    from db.reader import Reader
    from orchestrator.fitting import FitOptions, evaluations, settings_of
    from orchestrator.screens.fits import forecasts
    from orchestrator.screens.fits.json_numbers import finite
    from scaling.forecasting.predict import budget_for, predict
    from scaling.scopes import observations_of
    from scaling.selection import select

    if loss is not None and at:
        raise SpecError("Give --at, for the loss at a budget, or --loss, for the budget of a loss: one of them.")
    engine = open_database(resolve_url(database), create=False)
    found = Reader(engine).sweep(sweep)
    rows = evaluations(engine, found)
    options = FitOptions(
        scope="inter-model",
        x=x,
        from_x=from_x,
        to_x=to_x,
        holdout=holdout or (),
        benchmark=benchmark,
        protocol=protocol,
        where=where or (),
        k_form=k_form,
        estimator=estimator,
        draws=draws,
    )
    settings = settings_of(options, found.fit_settings, rows)
    chosen = select(rows, settings)
    observations = observations_of(chosen, settings)
    law: dict[str, Any] = settings.given("k_form", "estimator", "holdout", "draws")
    sizes = _sizes(size or (), chosen)
    if loss is None:
        made = predict(observations, sizes=sizes or None, x=at, **law)
        page = forecasts.prediction_page(made)
        content: Any = asdict(made)
    else:
        budgets = [
            budget_for(observations, loss=loss, size=each, **law) for each in sizes or observations.sizes("train")
        ]
        page = forecasts.budget_page(budgets, observations.x_kind)
        content = [asdict(each) for each in budgets]
    if as_json:
        typer.echo(json.dumps(finite(content), indent=1))
        return
    from rich.console import Console

    forecasts.show(page, caveats=found.caveats, console=Console())


def _sizes(named: Sequence[str], rows: Sequence[Row]) -> list[int]:
    """Models of the sweep, and numbers, as parameters without embeddings."""
    from scaling.scopes import sizes_named

    sizes: list[int] = []
    for name in named:
        try:
            sizes.append(round(float(name)))
        except ValueError:
            sizes.extend(sizes_named(rows, [name]))
    return sizes
