"""`rlsweep sql`: the rows of a query, on a connection that cannot write; or what there is to query."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands.options import DatabaseOption, JsonOption

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from exchange.typed_rows import TypedRows

NAME = "sql"
TIMEOUT_SECONDS = 60.0
TABLE_ROWS = 100


ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Value of :NAME in the query; may be given several times."),
]


class Output(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def command(
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="[SELECT]",
            help="The query; - reads it from standard input. One that begins with a comment goes after -- or into -f.",
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the query from a file.")
    ] = None,
    params: ParamOption = None,
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
    values = parameters(params)
    engine = open_read_only(resolve_url(database), time_limit_seconds=timeout or None)
    _warn_of_superuser(engine)
    with read_rows(engine, text, values) as rows:
        _print(rows, chosen, limit or TABLE_ROWS)


def parameters(given: list[str] | None) -> dict[str, Any]:
    """The values of `--param NAME=VALUE`: as JSON where they are, such as 1, null or [1, 2], else text."""
    from db.errors import SpecError

    values: dict[str, Any] = {}
    for each in given or []:
        name, is_given, value = each.partition("=")
        if not name.isidentifier() or not is_given:
            raise SpecError(f"--param is {each!r}; write NAME=VALUE, such as --param seed=1.")
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    return values


def _warn_of_superuser(engine: Engine) -> None:
    from db.querying.readonly import superuser

    role = superuser(engine)
    if role is not None:
        print(
            f"rlsweep: {role} is a superuser of PostgreSQL: a query cannot write tables, but can call functions that "
            "write elsewhere. Connect as a role that may only SELECT; docs/analysts.md says how to make one.",
            file=sys.stderr,
        )


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
