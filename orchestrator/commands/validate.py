"""`rlsweep validate`: what is wrong with a sweep file."""

from __future__ import annotations

import typer

from orchestrator.commands.options import SetOption, SweepFileArgument

NAME = "validate"


def command(file: SweepFileArgument, overrides: SetOption = None) -> None:
    """Check a sweep file and say what it would run."""
    from orchestrator.sweepfile.loading import load_sweep

    loaded = load_sweep(file, overrides or ())
    values: dict[str, set[str]] = {}
    for trial in loaded.trials:
        for name, value in trial.axes.items():
            values.setdefault(name, set()).add(repr(value))
    axes = ", ".join(f"{len(found)} x {name}" for name, found in values.items())
    count = f"{len(loaded.trials)} trial{'s' * (len(loaded.trials) != 1)}"
    fewer = f"; rules of `when` have left out {loaded.num_made_equal}" if loaded.num_made_equal else ""
    typer.echo(f"{file} is valid: sweep {loaded.sweep.name!r}, {count} ({axes or 'no axes'}{fewer}).")
    for caution in loaded.cautions:
        typer.echo(f"Warning: {caution}")
