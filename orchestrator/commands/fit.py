"""`rlsweep fit`: a scaling law from a sweep's learning curves, or a kept fit made again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands import fit_options
from orchestrator.commands.options import DatabaseOption, JsonOption, SweepArgument
from orchestrator.commands.outputs import cannot_write, require_writable
from orchestrator.fitting import FitOptions

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.reader import SweepRow

NAME = "fit"

EXIT_ANOTHER_FIT = 1


@fit_options.takes_fit_options(fit_options.ALL)
def command(
    options: FitOptions,
    sweep: SweepArgument = None,
    again: Annotated[
        int | None,
        typer.Option(
            "--rerun", metavar="FIT", help="Make a kept fit again, as 12, and compare; alone; nothing is written."
        ),
    ] = None,
    report_to: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write a page of Markdown, as law.md: results, checks, and how it was made.",
        ),
    ] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a scaling law, with its uncertainty, its forecasts and what speaks against it."""
    from db.database import open_database, resolve_url
    from db.errors import SpecError
    from db.reader import Reader
    from orchestrator.fitting import fit_sweep
    from orchestrator.screens.fits.page import fit_as_json, print_remarks, render_fit

    if again is not None and (sweep is not None or report_to is not None or options != FitOptions()):
        raise SpecError("--rerun makes a fit again as it was: give its number alone, with --json or --db if need be.")
    if report_to is not None:
        require_writable(report_to, "--report")
    engine = open_database(resolve_url(database), create=False)
    if again is not None:
        _rerun(engine, again, as_json=as_json)
        return
    found = Reader(engine).sweep(sweep)
    kept = fit_sweep(engine, found, options)
    fit = kept.fitted.fit
    print_remarks(kept.remarks)
    if report_to is not None:
        _write_report(engine, kept.fit_id, found, report_to)
    if as_json:
        typer.echo(json.dumps({"fit_id": kept.fit_id, **fit_as_json(fit, found.caveats)}, indent=1))
        return
    from rich.console import Console

    console = Console()
    render_fit(fit, caveats=found.caveats, console=console)
    typer.echo(f"\nKept as fit {kept.fit_id}." + ("" if report_to is None else f" Wrote {report_to}."))


def _write_report(engine: Engine, fit_id: int, sweep: SweepRow, file: Path) -> None:
    from db.fits import kept_fit
    from orchestrator.fit_report import report

    page = report(kept_fit(engine, fit_id), fit_id=fit_id, question=sweep.question, caveats=sweep.caveats)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page)
    except OSError as error:
        raise cannot_write(file, error, "--report") from error


def _rerun(engine: Engine, fit_id: int, *, as_json: bool) -> None:
    """Exit 0 only if the fit came out the same."""
    from orchestrator.fit_rerun import rerun
    from orchestrator.screens.fits.rerun import lines

    done = rerun(engine, fit_id)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=1))
    else:
        for line in lines(done):
            typer.echo(line)
    if not done.is_same:
        raise typer.Exit(EXIT_ANOTHER_FIT)
