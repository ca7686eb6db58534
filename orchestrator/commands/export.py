"""`rlsweep export`: the rows of a view, a table or a query into a file for other programs."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands.ending import ending_tidily
from orchestrator.commands.options import DatabaseOption, JsonOption
from orchestrator.commands.sql import ParamOption, parameters

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from exchange.export import Exported, Format

NAME = "export"


class FileFormat(StrEnum):
    """As `exchange.export.Format`, which the command line must not import before it has to."""

    PARQUET = "parquet"
    CSV = "csv"
    JSON = "json"


def command(
    file_format: Annotated[FileFormat, typer.Argument(metavar="parquet|csv|json", help="json: one row a line.")],
    name: Annotated[
        str | None, typer.Argument(metavar="[VIEW]", help="A view or table; `rlsweep sql` lists them.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to; - is standard output.  [default: VIEW.parquet, .csv or .jsonl here]",
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="SELECT", help="Export the rows of a query instead.")
    ] = None,
    params: ParamOption = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", metavar="NAME", help="Only rows of the trials of this sweep.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a view, a table or the rows of a query to a file."""
    from db.database import resolve_url
    from db.errors import SpecError
    from db.querying.readonly import open_read_only
    from exchange.export import Format, is_standard_output

    if (name is None) == (query is None):
        raise SpecError("Name one view or table, or give --query; `rlsweep sql` lists what there is.")
    if query is not None and sweep is not None:
        raise SpecError("--sweep chooses rows of a view or table; write the sweep into the query's WHERE.")
    if params and query is None:
        raise SpecError("--param is a value of a --query; there is none.")
    chosen = Format(file_format)
    path = output or Path(f"{name or 'query'}{chosen.suffix}")
    if as_json and is_standard_output(path):
        raise SpecError(f"--json says where the file is, and -o {path} prints its rows instead; give one of them.")
    values = parameters(params)
    engine = open_read_only(resolve_url(database))
    with ending_tidily():
        done = _export(
            engine, name=name, query=query, values=values, sweep=sweep, path=path, file_format=chosen, force=force
        )
    if as_json:
        typer.echo(json.dumps({"path": str(done.path), "rows": done.num_rows, "bytes": done.num_bytes}))
    elif done.num_bytes is not None:
        rows = f"{done.num_rows:,} row{'s' * (done.num_rows != 1)}"
        typer.echo(f"Wrote {rows} ({done.num_bytes:,} bytes) to {done.path}")


def _export(
    engine: Engine,
    *,
    name: str | None,
    query: str | None,
    values: dict[str, Any],
    sweep: str | None,
    path: Path,
    file_format: Format,
    force: bool,
) -> Exported:
    from db.description.catalog import relation
    from db.reader import Reader
    from exchange.export import export_query, export_relation

    if query is not None:
        return export_query(engine, query, path, format=file_format, parameters=values, force=force)
    assert name is not None, "there is a name or a query"
    found = relation(name)
    sweep_id = None if sweep is None else Reader(engine).sweep(sweep).id
    return export_relation(engine, found, path, format=file_format, sweep_id=sweep_id, force=force)
