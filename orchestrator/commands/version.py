"""`rlsweep version`."""

from __future__ import annotations

import typer

NAME = "version"


def command() -> None:
    """Print the version."""
    from importlib.metadata import version

    typer.echo(version("rlsweep"))
