"""The columns of a query's result: what the database tells of them, and values that mean the same on both databases."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import CursorResult

from db.description.catalog import Kind

Row = tuple[Any, ...]
Tidy = Callable[[Sequence[Row]], Sequence[Row]]

# The numbers of PostgreSQL's built-in types (pg_type.oid) are fixed.
_NUMERIC = 1700
_POSTGRESQL_KINDS = {
    16: Kind.BOOLEAN,
    17: Kind.BYTES,
    20: Kind.INTEGER, 21: Kind.INTEGER, 23: Kind.INTEGER, 26: Kind.INTEGER,
    700: Kind.REAL, 701: Kind.REAL,
    114: Kind.JSON, 3802: Kind.JSON,
    1114: Kind.TIMESTAMP, 1184: Kind.TIMESTAMP,
}  # fmt: skip


@dataclass(frozen=True)
class StreamColumn:
    """A column of a result. `kind` is None where the database does not say: always on SQLite, numeric on PostgreSQL."""

    name: str
    kind: Kind | None


def result_columns(result: CursorResult[Any], *, dialect: str) -> tuple[tuple[StreamColumn, ...], Tidy]:
    """The result's columns, and what makes of its rows those that `db.querying.readonly.RowStream` promises."""
    if dialect == "sqlite":
        return tuple(StreamColumn(name, None) for name in list(result.keys())), lambda rows: rows
    assert result.cursor is not None, "the result has rows"
    codes: list[int] = [each[1] for each in result.cursor.description]  # type: ignore[misc]
    kinds = [None if code == _NUMERIC else _POSTGRESQL_KINDS.get(code, Kind.TEXT) for code in codes]
    columns = tuple(StreamColumn(name, kind) for name, kind in zip(result.keys(), kinds, strict=True))
    tidying = {place: _TIDYING[kind] for place, kind in enumerate(kinds) if kind in _TIDYING}
    return columns, partial(map_columns, functions=tidying)


def map_columns(rows: Sequence[Row], functions: Mapping[int, Callable[[Any], Any]]) -> Sequence[Row]:
    """The rows with a function applied to all values but NULL of some columns, which are named by their place."""
    if not functions:
        return rows
    columns = list(zip(*rows, strict=True))
    for place, function in functions.items():
        columns[place] = tuple(None if value is None else function(value) for value in columns[place])
    return list(zip(*columns, strict=True))


def as_text(value: object) -> str:
    """A value of a type that has no kind of its own, in words: bytes in hexadecimal, arrays as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return json.dumps(value, default=str) if isinstance(value, (list, dict)) else str(value)


def _number(value: Decimal) -> int | float | None:
    """PostgreSQL's numeric: sums of integers are whole, averages are not, and its NaN is a missing number."""
    if value.is_nan():
        return None
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def _real(value: float) -> float | None:
    return None if math.isnan(value) else value


_TIDYING: dict[Kind | None, Callable[[Any], Any]] = {
    None: _number, Kind.REAL: _real, Kind.JSON: json.dumps, Kind.TEXT: as_text,
}  # fmt: skip
