"""`rlsweep plot`: the picture of a fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands import fit_options
from orchestrator.commands.options import DatabaseOption, SweepArgument
from orchestrator.commands.outputs import cannot_write, require_writable
from orchestrator.fitting import FitOptions

NAME = "plot"

FORMATS = ("png", "svg")


@fit_options.takes_fit_options(fit_options.ALL)
def command(
    options: FitOptions,
    sweep: SweepArgument = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PLACE",
            help="Where to, as figures/law for law.png and law.svg there; a folder that exists gets SWEEP.png and "
            "SWEEP.svg.  [default: SWEEP]",
        ),
    ] = None,
    diagnostics: Annotated[
        bool,
        typer.Option(
            "--diagnostics", help="Draw as well, in NAME-diagnostics, what the law leaves over and what it could be."
        ),
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Fit a sweep and draw the fit, as PNG and SVG. The fit is kept, as by `rlsweep fit`."""
    from db.database import open_database, resolve_url
    from db.reader import Reader
    from orchestrator.fitting import fit_sweep
    from orchestrator.screens.fits.page import print_remarks

    _require_drawable(output)
    engine = open_database(resolve_url(database), create=False)
    found = Reader(engine).sweep(sweep)
    paths = _paths(output, found.name)
    for path in paths:
        require_writable(path, "--output")
    kept = fit_sweep(engine, found, options)
    print_remarks(kept.remarks)
    from scaling.figures.figure import plot_diagnostics, plot_fit

    beside = [path.with_stem(f"{path.stem}-diagnostics") for path in paths] if diagnostics else []
    title = found.question or found.name
    try:
        plot_fit(kept.fitted, title=title, caveats=found.caveats, paths=paths)
        if diagnostics:
            plot_diagnostics(kept.fitted, title=title, caveats=found.caveats, paths=beside)
    except OSError as error:
        raise cannot_write(paths[0], error, "--output") from error
    typer.echo(f"Drew fit {kept.fit_id}: {', '.join(str(path) for path in (*paths, *beside))}")


def _require_drawable(output: Path | None) -> None:
    """SpecError for the suffix of another format. `law-2.5` has none: a suffix is letters, and perhaps a digit."""
    from db.errors import SpecError

    suffix = "" if output is None else output.suffix
    if re.fullmatch(r"\.[A-Za-z]{1,4}\d?", suffix) and suffix[1:].lower() not in FORMATS:
        raise SpecError(
            f"--output {output}: a figure is written as PNG and SVG, not as {suffix}. Leave the suffix out."
        )


def _paths(output: Path | None, sweep: str) -> list[Path]:
    """Both are drawn, whichever was named."""
    stem = Path(sweep) if output is None else output / sweep if output.is_dir() else output
    name = stem.stem if output is stem and stem.suffix[1:].lower() in FORMATS else stem.name
    return [stem.with_name(f"{name}.{kind}") for kind in FORMATS]
