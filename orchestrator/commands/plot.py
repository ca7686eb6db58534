"""`rlsweep plot`: the picture of a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.options import (
    BenchmarkOption,
    DatabaseOption,
    FromOption,
    HoldoutOption,
    KFormOption,
    ProtocolOption,
    ScopeOption,
    SweepArgument,
    ToOption,
    WhereOption,
    XOption,
)

NAME = "plot"


def command(
    sweep: SweepArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="STEM", help="Where to; .png and .svg are added.  [default: SWEEP]"),
    ] = None,
    scope: ScopeOption = None,
    x: XOption = None,
    from_x: FromOption = None,
    to_x: ToOption = None,
    holdout: HoldoutOption = None,
    benchmark: BenchmarkOption = None,
    protocol: ProtocolOption = None,
    where: WhereOption = None,
    k_form: KFormOption = None,
    database: DatabaseOption = None,
) -> None:
    """Fit a sweep and draw the fit, as PNG and SVG."""
    from db.database import open_database, resolve_url
    from db.errors import EnvironmentProblem
    from db.reader import Reader
    from orchestrator.fitting import FitOptions, fit_sweep
    from scaling.figures.figure import plot_fit

    engine = open_database(resolve_url(database), create=False)
    found = Reader(engine).sweep(sweep)
    options = FitOptions(
        scope=scope,
        x=x,
        from_x=from_x,
        to_x=to_x,
        holdout=holdout or (),
        benchmark=benchmark,
        protocol=protocol,
        where=where or (),
        k_form=k_form,
    )
    kept = fit_sweep(engine, found, options)
    stem = output or Path(found.name)
    if stem.suffix in (".png", ".svg"):  # both are drawn, whichever was named
        stem = stem.with_suffix("")
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg")]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        title = found.question or found.name
        plot_fit(kept.fitted, title=title, caveats=found.caveats, paths=paths)
    except OSError as error:
        raise EnvironmentProblem(f"Cannot write {error.filename}: {error.strerror}. Choose --output.") from error
    typer.echo(f"Drew fit {kept.fit_id}: {', '.join(str(path) for path in paths)}")
