"""`rlsweep import`: runs that other programs recorded, into the database, where they fit like native ones."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from exchange.importing.log_table import LogTable
    from exchange.importing.mapping import Request

NAME = "import"
_LONGEST_NAME = 200

app = typer.Typer(
    help="Import runs that other programs recorded. Importing the same again changes nothing.", no_args_is_help=True
)

MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="COLUMN=FIELD",
        help="What a column is: FIELD, FIELD@BENCHMARK, with a unit FIELD:UNIT (billions, percent, hours, 1e18, ...); "
        "- leaves it out. COLUMN may be config.KEY of a run's configuration. docs/import.md lists the fields.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="One value for every row; FIELD.MODEL=VALUE: for every row of a model."
    ),
]
SweepOption = Annotated[
    str | None,
    typer.Option("--sweep", metavar="NAME", help="Sweep that the runs go to.  [default: name of the file]"),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be imported; write nothing.")]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Where values differ from those imported before, let the new ones count.")
]
FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, show_default=False)
]
FoldersArgument = Annotated[list[Path], typer.Argument(metavar="FOLDER...", exists=True, show_default=False)]

Reading: TypeAlias = "Callable[[Request], list[LogTable]]"


@dataclass(frozen=True)
class _Options:
    maps: Sequence[str]
    sets: Sequence[str]
    sweep: str | None
    dry_run: bool
    replace: bool
    database: str | None
    as_json: bool


@app.command("csv")
def import_csv(
    files: FilesArgument,
    maps: MapOption = None,
    sets: SetOption = None,
    sweep: SweepOption = None,
    dry_run: DryRunOption = False,
    replace: ReplaceOption = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import CSV files: a row a step, or a row a step and benchmark."""

    def read(_: Request) -> list[LogTable]:
        from exchange.importing.csv_file import read_csv_file

        return [read_csv_file(file) for file in files]

    _import(read, files, _Options(maps or (), sets or (), sweep, dry_run, replace, database, as_json))


@app.command("verl")
def import_verl(
    files: FilesArgument,
    maps: MapOption = None,
    sets: SetOption = None,
    sweep: SweepOption = None,
    dry_run: DryRunOption = False,
    replace: ReplaceOption = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import verl's logs: JSON lines of its file logger, or console output. A file is a run, unless --set run=NAME."""

    def read(request: Request) -> list[LogTable]:
        from exchange.importing.verl_log import read_verl_files

        return read_verl_files(files, request)

    _import(read, files, _Options(maps or (), sets or (), sweep, dry_run, replace, database, as_json))


@app.command("wandb")
def import_wandb(
    folders: FoldersArgument,
    maps: MapOption = None,
    sets: SetOption = None,
    sweep: SweepOption = None,
    dry_run: DryRunOption = False,
    replace: ReplaceOption = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import W&B offline runs: offline-run-... folders, or folders that hold some."""

    def read(request: Request) -> list[LogTable]:
        from exchange.importing.wandb_run import read_wandb_runs

        return read_wandb_runs(folders, request)

    _import(read, folders, _Options(maps or (), sets or (), sweep, dry_run, replace, database, as_json))


@app.command("tensorboard")
def import_tensorboard(
    folders: FoldersArgument,
    maps: MapOption = None,
    sets: SetOption = None,
    sweep: SweepOption = None,
    dry_run: DryRunOption = False,
    replace: ReplaceOption = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import TensorBoard event files: a run a folder, at any depth."""

    def read(_: Request) -> list[LogTable]:
        from exchange.importing.tensorboard_events import read_tensorboard_folders

        return read_tensorboard_folders(folders)

    _import(read, folders, _Options(maps or (), sets or (), sweep, dry_run, replace, database, as_json))


def _import(read: Reading, paths: Sequence[Path], options: _Options) -> None:
    from db.errors import SpecError
    from db.store.imports import ImportStore
    from exchange.importing.imported_log import read_logs
    from exchange.importing.mapping import parse_request
    from exchange.importing.summary import RunSummary, summarised
    from orchestrator.screens.import_page import ImportedFileView, import_as_json, import_console, print_import

    sweep = _sweep_name(options.sweep, paths)
    request = parse_request(options.maps, options.sets)
    logs = read_logs(read(request), request)
    summaries: list[list[RunSummary]] = [[] for _ in logs]
    files = [(log.file, summarised(log.runs, known)) for log, known in zip(logs, summaries, strict=True)]
    with _database(options.database, dry_run=options.dry_run) as engine:
        outcomes = ImportStore(engine).save_all(files, sweep=sweep, replace=options.replace, dry_run=options.dry_run)
        advice = None if options.dry_run or options.as_json else _advice(engine, sweep, options.database)
    views = [ImportedFileView(*each) for each in zip(logs, outcomes, summaries, strict=True)]
    if options.as_json:
        typer.echo(json.dumps(import_as_json(views, sweep=sweep, dry_run=options.dry_run), indent=1))
    else:
        print_import(import_console(), views, sweep=sweep, dry_run=options.dry_run, advice=advice)
    if any(outcome.named("conflicting") for outcome in outcomes):
        # What the import itself ends with; only a dry run comes as far as here.
        raise typer.Exit(SpecError.exit_code)


def _advice(engine: Engine, sweep: str, database: str | None) -> str:
    from db.store.import_curves import scored_by
    from orchestrator.screens.import_advice import next_step

    return next_step(scored_by(engine, sweep), sweep=sweep, database=database)


def _sweep_name(given: str | None, paths: Sequence[Path]) -> str:
    from db.errors import SpecError

    if given is None and len(paths) > 1:
        raise SpecError("These are several files or folders: name the sweep that they go to with --sweep NAME.")
    name = given if given is not None else _stem(paths[0])
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise SpecError(f"{name!r} cannot name a sweep: give --sweep a name of 1 to {_LONGEST_NAME} characters.")
    return name


def _stem(path: Path) -> str:
    return path.resolve().name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem


@contextmanager
def _database(given: str | None, *, dry_run: bool) -> Iterator[Engine]:
    """The database; for a dry run that has none yet, an empty one that is gone afterwards."""
    from db.database import database_exists, open_database, resolve_url

    url = resolve_url(given)
    if dry_run and not database_exists(url):
        with tempfile.TemporaryDirectory() as folder:
            engine = open_database(resolve_url(str(Path(folder) / "dry-run.db")))
            yield engine
            engine.dispose()
        return
    engine = open_database(url)
    yield engine
    engine.dispose()
