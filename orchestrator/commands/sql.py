"""`rlsweep sql`: the rows of a query, on a connection that cannot write; or what there is to query."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption

if TYPE_CHECKING:
    from exchange.typed_rows import TypedRows

NAME = "sql"
TIMEOUT_SECONDS = 60.0
TABLE_ROWS = 100


class Output(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def command(
    query: Annotated[
        str | None, typer.Argument(metavar="[SELECT]", help="The query; - reads it from standard input.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the query from a file.")] = None,
    describe: Annotated[
        str | None, typer.Option("--describe", metavar="NAME", help="List the columns of a view or table.")
    ] = None,
    output: Annotated[
        Output | None,
        typer.Option("--format", help="How to print rows.  [default: table on a terminal, else csv]"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help=f"Rows of the table.  [default: {TABLE_ROWS}]")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, metavar="SECONDS", help="Time for the query; 0: no limit.")
    ] = TIMEOUT_SECONDS,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a SELECT, read-only. Without one, list the views and tables."""
    from db.database import resolve_url
    from db.querying.readonly import open_read_only
    from exchange.typed_rows import read_rows

    text = _query(query, file)
    if text is None or describe is not None:
        _print_catalog(describe, as_json=as_json or output == Output.JSON)
        return
    chosen = _output(output, limit, as_json=as_json)
    engine = open_read_only(resolve_url(database), time_limit_seconds=timeout or None)
    with read_rows(engine, text) as rows:
        _print(rows, chosen, limit or TABLE_ROWS)


def _query(query: str | None, file: Path | None) -> str | None:
    """The query's text; None if there is none to run."""
    from db.errors import SpecError

    if query is not None and file is not None:
        raise SpecError("Give the query itself or --file, not both.")
    if file is None:
        return sys.stdin.read() if query == "-" else query
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"Cannot read the query from {file}: {error}") from error


def _output(output: Output | None, limit: int | None, *, as_json: bool) -> Output:
    from db.errors import SpecError

    if as_json and output not in (None, Output.JSON):
        raise SpecError(f"--json and --format {output} contradict each other; give one of them.")
    chosen = Output.JSON if as_json else output or (Output.TABLE if sys.stdout.isatty() else Output.CSV)
    if limit is not None and chosen != Output.TABLE:
        raise SpecError(f"--limit shortens the table only; {chosen} has every row. Write LIMIT into the query.")
    return chosen


def _print(rows: TypedRows, output: Output, limit: int) -> None:
    from rich.console import Console

    from exchange.text_formats import write_csv, write_json_array
    from orchestrator.screens.query_table import print_rows

    if output == Output.TABLE:
        print_rows(Console(), rows, limit=limit)
    elif output == Output.CSV:
        write_csv(rows, sys.stdout)
    else:
        write_json_array(rows, sys.stdout)


def _print_catalog(name: str | None, *, as_json: bool) -> None:
    from rich.console import Console

    from db.description.catalog import relation, relations
    from orchestrator.screens.query_table import print_columns, print_relations

    if as_json:
        listed = [
            {"name": each.name, "kind": "view" if each.is_view else "table", "comment": each.comment}
            for each in relations().values()
        ]
        typer.echo(json.dumps(listed if name is None else [asdict(each) for each in relation(name).columns], indent=1))
    elif name is None:
        print_relations(Console(), relations().values())
    else:
        print_columns(Console(), relation(name))
