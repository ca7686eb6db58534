"""The result of a query on a terminal: a table where it fits, else each row as a list of its columns.

For people: numbers are shortened to six digits and long texts are cut. CSV and JSON have everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from db.description.catalog import Column, Kind, Relation
from db.querying.result_columns import Row
from exchange.typed_rows import TypedRows

_CELL_WIDTH = 60
_GAP = 2
_COUNTED_ROWS = 100_000
_RIGHT = (Kind.INTEGER, Kind.REAL)
_MISSING = Text("–", style="dim")


def print_rows(console: Console, rows: TypedRows, *, limit: int) -> None:
    """Print the first `limit` rows, and how many more there are, as far as they are quickly counted."""
    every = (row for batch in rows.batches for row in batch)
    shown = list(islice(every, limit))
    cells = [[_cell(column, value) for column, value in zip(rows.columns, row, strict=True)] for row in shown]
    if _width(rows.columns, cells) <= console.width:
        console.print(_table(rows.columns, cells))
    else:
        _print_records(console, rows.columns, cells)
    console.print(_count(shown, every), style="dim", highlight=False)


def print_relations(console: Console, relations: Iterable[Relation]) -> None:
    """Print the name of each view and table and what it holds."""
    table = _plain_table("name", "", "what it holds")
    for each in relations:
        table.add_row(Text(each.name, style="bold"), "view" if each.is_view else "table", Text(each.comment))
    console.print(table)
    console.print("\nrlsweep sql --describe NAME lists the columns of one.", highlight=False)


def print_columns(console: Console, relation: Relation) -> None:
    """Print the columns of a view or table: name, type, unit and comment."""
    console.print(Text(relation.comment))
    table = _plain_table("column", "type", "unit", "what it holds")
    for each in relation.columns:
        table.add_row(Text(each.name, style="bold"), each.kind, each.unit or "", Text(each.comment))
    console.print(table)


def _cell(column: Column, value: Any) -> Text:
    if value is None:
        return _MISSING
    if column.kind == Kind.BOOLEAN:
        return Text("true" if value else "false")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, datetime):
        return Text(f"{value:%Y-%m-%d %H:%M:%S}")
    # What a database holds must not steer the terminal: control characters are blanks here.
    plain = "".join(each if each.isprintable() else " " for each in str(value)[: 4 * _CELL_WIDTH]).strip()
    return Text(plain if len(plain) <= _CELL_WIDTH else f"{plain[: _CELL_WIDTH - 1]}…")


def _width(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> int:
    widths = [max([len(column.name), *(row[i].cell_len for row in rows)]) for i, column in enumerate(columns)]
    return sum(widths) + _GAP * (len(widths) - 1)


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> Table:
    table = _plain_table()
    for column in columns:
        right = column.kind in _RIGHT
        table.add_column(Text(column.name), justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _print_records(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Text]]) -> None:
    for number, row in enumerate(rows, start=1):
        console.rule(Text(f"row {number}", style="dim"), align="left", style="dim", characters="─")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
        for column, cell in zip(columns, row, strict=True):
            table.add_row(Text(column.name, style="bold"), cell)
        console.print(table)


def _plain_table(*headers: str) -> Table:
    return Table(*headers, box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")


def _count(shown: Sequence[Row], rest: Iterable[Row]) -> str:
    """Such as `3 rows`, or `100 of 2,345 rows`."""
    more = sum(1 for _ in islice(rest, _COUNTED_ROWS))
    if more == 0:
        return f"{len(shown):,} row{'s' * (len(shown) != 1)}"
    total = f"more than {len(shown) + more:,}" if more == _COUNTED_ROWS else f"{len(shown) + more:,}"
    return f"{len(shown):,} of {total} rows; --limit shows more, --format csv all of them"
