"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SweepFileArgument = Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="The sweep file.", show_default=False)]
SweepArgument = Annotated[
    str | None, typer.Argument(metavar="[SWEEP]", help="Name of a sweep; the last one submitted if left out.")
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
ScopeOption = Annotated[
    str | None,
    typer.Option("--scope", help="inter-model (sizes), intra-model (runs), data-reuse, group-size or transfer."),
]
XOption = Annotated[
    str | None,
    typer.Option(
        "--x",
        metavar="AXIS",
        help="compute, paper-compute, data, tokens, steps or gpu-hours.  [default: as in the sweep file]",
    ),
]
FromOption = Annotated[
    float | None, typer.Option("--from", metavar="X", help="Leave out evaluations before this x.", show_default=False)
]
ToOption = Annotated[
    float | None, typer.Option("--to", metavar="X", help="Leave out evaluations after this x.", show_default=False)
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="COLUMN=VALUE",
        help="Only trials with this value, or one of several with commas between; may be given several times.",
    ),
]
KFormOption = Annotated[
    str | None,
    typer.Option("--k-form", metavar="FORM", help="Form of k(N): saturating, hill, power, log-linear, constant, free."),
]
EstimatorOption = Annotated[
    str | None, typer.Option("--estimator", metavar="NAME", help="auto, qb, ols-log, linear-ls or huber.")
]
DrawsOption = Annotated[
    int | None, typer.Option("--draws", metavar="COUNT", help="Bootstrap draws; 0: no intervals from them.")
]
HoldoutOption = Annotated[
    list[str] | None,
    typer.Option("--holdout", metavar="model=NAME", help="Keep a model out of the estimation and forecast it."),
]
BenchmarkOption = Annotated[
    str | None, typer.Option("--benchmark", metavar="NAME", help="Which benchmark's scores, where there are several.")
]
ProtocolOption = Annotated[
    str | None, typer.Option("--protocol", metavar="NAME", help="Which protocol's scores, where there are several.")
]
