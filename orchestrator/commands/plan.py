"""`rlsweep plan`: what a sweep would run, what it would cost, and whether it fits."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption, SetOption, SweepFileArgument

if TYPE_CHECKING:
    from orchestrator.planning.known import KnownRuns
    from orchestrator.sweepfile.loading import LoadedSweep

NAME = "plan"
_DEFAULT_FILE = "rlsweep.db"  # of db.connection.urls, which takes long to import

GpuOption = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        metavar="NAME",
        help="Kind of GPU where the file names none: A100-80GB, or any by memory and peak, MI300X-192GB@1307TFLOPS.  "
        "[default: H100-80GB]",
        show_default=False,
    ),
]
GpusOption = Annotated[
    int | None,
    typer.Option("--gpus", metavar="N", min=1, help="How many GPUs there are.  [default: as many as are wanted]",
                 show_default=False),
]  # fmt: skip
ResolvedOption = Annotated[
    bool, typer.Option("--resolved", help="Show every value of the sweep and where it comes from instead.")
]


def command(
    file: SweepFileArgument,
    overrides: SetOption = None,
    database: DatabaseOption = None,
    gpu: GpuOption = None,
    gpus: GpusOption = None,
    resolved: ResolvedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show trials, GPUs, FLOPs, GPU-hours, wall time and storage. Nothing is run or written."""
    from orchestrator.planning.plan import plan_sweep
    from orchestrator.sweepfile.loading import load_sweep
    from workers.gpus import gpu_type

    with _uncollected():
        loaded = load_sweep(file, overrides or ())
        if resolved:
            _print_resolved(loaded, as_json=as_json)
            return
        loaded, known = _with_what_is_known(loaded, database)
        plan = plan_sweep(loaded, gpu=None if gpu is None else gpu_type(gpu), gpus=gpus, known=known)
        plan = replace(plan, warnings=(*loaded.cautions, *plan.warnings))
    if as_json:
        from orchestrator.screens.plan_json import plan_json

        sys.stdout.writelines(f"{line}\n" for line in plan_json(plan))
        return
    from rich.console import Console

    from orchestrator.screens.plan_table import print_plan

    print_plan(plan, Console())


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collections: of the objects of a plan, millions in a large one, all stay to its end."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _print_resolved(loaded: LoadedSweep, *, as_json: bool) -> None:
    from orchestrator.screens.resolved_values import resolved_json, resolved_lines
    from orchestrator.sweepfile.resolved import resolved_values

    values = resolved_values(loaded)
    if as_json:
        print(resolved_json(values))
        return
    from rich.console import Console

    console = Console()
    for line in resolved_lines(values):
        console.print(line, soft_wrap=True)


def _is_no_file(database: str | None) -> bool:
    """Whether a database is given as the path of a file that is not there: that takes no SQLAlchemy to see."""
    given = database or os.environ.get("RLSWEEP_DB") or _DEFAULT_FILE
    return "://" not in given and "password=" not in given and not Path(given).expanduser().exists()


def _with_what_is_known(loaded: LoadedSweep, database: str | None) -> tuple[LoadedSweep, KnownRuns | None]:
    """The sweep as its trials are known by, and what the database knows of them; a database need not be there."""
    if _is_no_file(database):
        return loaded, None
    from db.connection.urls import resolve_url
    from db.database import database_exists

    url = resolve_url(database)
    if not database_exists(url):
        return loaded, None
    from db.database import open_database
    from db.measurements import Measurements
    from orchestrator.identified import identified
    from orchestrator.planning.kinds import kinds_of
    from orchestrator.planning.known import known_runs

    engine = open_database(url, create=False)
    loaded = identified(loaded)
    return loaded, known_runs(Measurements(engine), kinds_of(loaded.trials))
