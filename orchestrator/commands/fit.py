"""`rlsweep fit`: a scaling law from a sweep's learning curves, or a kept fit made again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    ScopeOption,
    SweepArgument,
    ToOption,
    WhereOption,
    XOption,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.reader import SweepRow
    from orchestrator.fit_rerun import Rerun

NAME = "fit"

EXIT_ANOTHER_FIT = 1


def command(
    sweep: SweepArgument = None,
    scope: ScopeOption = None,
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
    equal_size_weight: Annotated[
        bool, typer.Option("--equal-size-weight", help="Every size counts alike, however many evaluations it has.")
    ] = False,
    law: Annotated[
        list[str] | None,
        typer.Option("--law", metavar="LAW", help="Intra-model: log-linear, floor, sigmoid, s-curve; all if left out."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option("--margin", metavar="SHARE", help="Data-reuse: the rise of loss that counts as none.  [0.02]"),
    ] = None,
    in_domain: Annotated[
        str | None, typer.Option("--in-domain", metavar="NAME", help="Transfer: the benchmark of the training domain.")
    ] = None,
    again: Annotated[
        int | None,
        typer.Option("--rerun", metavar="FIT", help="Make a kept fit again and compare; nothing is written."),
    ] = None,
    report_to: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Write a page of Markdown: results, checks, and how it was made."
        ),
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a scaling law, with its uncertainty, its forecasts and what speaks against it."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.fitting import FitOptions, fit_sweep
    from orchestrator.screens.fits.page import fit_as_json, render_fit

    engine = open_database(resolve_url(database), create=False)
    if again is not None:
        from orchestrator.fit_rerun import rerun

        _tell_rerun(rerun(engine, again), as_json=as_json)
        return
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
        estimator=estimator,
        draws=draws,
        equal_size_weight=equal_size_weight or None,
        laws=law or (),
        margin=margin,
        in_domain=in_domain,
    )
    kept = fit_sweep(engine, found, options)
    fit = kept.fitted.fit
    if report_to is not None:
        _write_report(engine, kept.fit_id, found, report_to)
    if as_json:
        typer.echo(json.dumps({"fit_id": kept.fit_id, **fit_as_json(fit, found.caveats)}, indent=1))
        return
    from rich.console import Console

    console = Console()
    render_fit(fit, caveats=found.caveats, console=console)
    console.print(f"\nKept as fit {kept.fit_id}.", highlight=False)


def _write_report(engine: Engine, fit_id: int, sweep: SweepRow, file: Path) -> None:
    from db.errors import EnvironmentProblem
    from db.fits import kept_fit
    from orchestrator.fit_report import report

    page = report(kept_fit(engine, fit_id), fit_id=fit_id, question=sweep.question, caveats=sweep.caveats)
    try:
        file.write_text(page)
    except OSError as error:
        raise EnvironmentProblem(f"Cannot write {file}: {error.strerror}. Choose another file for --report.") from error


def _tell_rerun(done: Rerun, *, as_json: bool) -> None:
    """Exit 0 only if the fit came out the same."""
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=1))
    else:
        for line in _lines(done):
            typer.echo(line)
    if not done.is_same:
        raise typer.Exit(EXIT_ANOTHER_FIT)


def _lines(done: Rerun) -> list[str]:
    lines = []
    if done.is_same:
        lines.append(f"Fit {done.fit_id} comes out the same, to the bit.")
    elif done.is_same is False:
        lines.append(f"Fit {done.fit_id} comes out different from the same rows, in its {', '.join(done.different)}.")
    else:
        lines.append(f"Fit {done.fit_id} cannot be made again: rows that it was made of are not what they were.")
    for what, numbers in (
        ("measured something else then", done.changed),
        ("are not live any more", done.gone),
        ("have come since, and are not in it", done.added),
    ):
        if numbers:
            lines.append(f"  {len(numbers):,} evaluations {what}: {_named(numbers)}")
    if done.version is not None:
        lines.append(f"  It was made by rlsweep {done.version}.")
    return lines


def _named(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return shown + (", ..." if len(numbers) > 10 else "")
