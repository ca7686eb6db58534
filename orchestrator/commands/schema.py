"""`rlsweep schema`: the sweep file's language for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "schema"


def command(
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead of printing.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of sweep files, with which editors complete and check them."""
    from db.errors import RlsweepError
    from orchestrator.sweepfile.schema import schema_text

    if output is None:
        typer.echo(schema_text(), nl=False)
        return
    try:
        output.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise RlsweepError(f"{output} cannot be written: {error.strerror}.") from error
    typer.echo(f"Wrote {output}. In a sweep file: # yaml-language-server: $schema={output}")
