"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SweepFileArgument = Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="The sweep file.", show_default=False)]
SweepArgument = Annotated[
    str | None, typer.Argument(metavar="SWEEP", help="Name of a sweep; the last one submitted if left out.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        envvar="RLSWEEP_DB",
        show_envvar=True,
        help="Database: a path for SQLite, or postgresql+psycopg://...  [default: rlsweep.db]",
        show_default=False,
    ),
]
ArtifactsOption = Annotated[
    str | None,
    typer.Option(
        "--artifacts",
        metavar="FOLDER_OR_URL",
        envvar="RLSWEEP_ARTIFACTS",
        show_envvar=True,
        help="Where models, checkpoints and logs go; of a URL, as s3://..., checkpoints alone.  "
        "[default: rlsweep_artifacts beside the database]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the sweep file; may be given several times."),
]
