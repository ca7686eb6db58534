"""`rlsweep validate`: what is wrong with a sweep file."""

from __future__ import annotations

import typer

from orchestrator.commands.options import SetOption, SweepFileArgument

NAME = "validate"


def command(file: SweepFileArgument, overrides: SetOption = None) -> None:
    """Check a sweep file and say what it would run."""
    from orchestrator.sweepfile.expand import expand
    from orchestrator.sweepfile.language import load_sweep

    loaded = load_sweep(file, overrides or ())
    trials = expand(loaded)
    axes = ", ".join(f"{len(values)} x {name}" for name, values in loaded.sweep.axes.grid.items())
    typer.echo(f"{file} is valid: sweep {loaded.sweep.name!r}, {len(trials)} trials ({axes or 'no axes'}).")
