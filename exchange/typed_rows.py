"""The rows of a query with the type of every column settled, the same on both databases.

The type of a column is, in this order: what PostgreSQL says; that of the documented columns of its name, if its values
fit it; else that of its values, where a column with nothing but NULL counts as numbers. SQLite types values, not
columns, so there the first batch of rows decides, and a later value of another kind is an error, not a guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from types import NoneType
from typing import Any

from sqlalchemy import Engine

from db.description.catalog import Column, Kind, documented_column
from db.errors import SpecError
from db.querying.readonly import AnySelect, stream_rows
from db.querying.result_columns import Row, StreamColumn, as_text, map_columns


@dataclass(frozen=True)
class TypedRows:
    """Rows, batch by batch. A moment is an aware datetime in UTC, JSON is its text, a missing value is None."""

    columns: tuple[Column, ...]
    batches: Iterator[Sequence[Row]]


@contextmanager
def read_rows(
    engine: Engine,
    query: str | AnySelect,
    parameters: Mapping[str, Any] | None = None,
    *,
    columns: Sequence[Column] | None = None,
) -> Iterator[TypedRows]:
    """Run one query on a read-only engine; `columns` are those of the result where they are known beforehand.

    SpecError if two columns have the same name: most formats would lose one of them.
    """
    with stream_rows(engine, query, parameters) as stream:
        _refuse_duplicates(stream.columns)
        first = next(stream.batches, ())
        settled = tuple(columns) if columns is not None else _settle(stream.columns, first)
        batches = chain([first] if first else [], stream.batches)
        yield TypedRows(settled, (_normalise(settled, batch) for batch in batches))


def _refuse_duplicates(columns: Sequence[StreamColumn]) -> None:
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"Two columns of the query are called {name!r}; name them apart: SELECT ... AS other_name.")


def misfit(column: Column, value: object) -> SpecError:
    """The error for a value that is not of the kind of its column."""
    return SpecError(
        f"Column {column.name!r} holds values of kind {column.kind} and also {value!r}. Make them one kind with "
        f"CAST({column.name} AS ...) or name the column apart: SELECT ... AS other_name."
    )


def _settle(columns: Sequence[StreamColumn], rows: Sequence[Row]) -> tuple[Column, ...]:
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    return tuple(
        _settle_column(column, [value for value in each if value is not None])
        for column, each in zip(columns, values, strict=True)
    )


def _settle_column(column: StreamColumn, values: Sequence[Any]) -> Column:
    documented = documented_column(column.name)
    kind = column.kind
    if kind is None:
        kind = documented.kind if documented and _fits(documented.kind, values) else _kind_of(values)
    if documented and documented.kind == kind:
        return documented
    return Column(column.name, kind, unit=None, comment="")


def _kind_of(values: Sequence[Any]) -> Kind:
    kinds = {type(value) for value in values}
    if kinds <= {int} and kinds:
        return Kind.INTEGER
    if kinds == {bytes}:
        return Kind.BYTES
    return Kind.REAL if kinds <= {int, float} else Kind.TEXT


def _fits(kind: Kind, values: Sequence[Any]) -> bool:
    try:
        for value in values:
            if not isinstance(value, _ACCEPTED[kind]):
                return False
            _PROOFS[kind](value)
    except ValueError:
        return False
    return True


def _normalise(columns: Sequence[Column], rows: Sequence[Row]) -> Sequence[Row]:
    functions = {
        place: _normalising(column)
        for place, (column, values) in enumerate(zip(columns, zip(*rows, strict=True), strict=True))
        if column.kind in _NORMALISING and not {*map(type, values)} <= _NORMAL[column.kind]
    }
    return map_columns(rows, functions)


def _normalising(column: Column) -> Callable[[Any], Any]:
    convert = _NORMALISING[column.kind]

    def normalise(value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError) as error:
            raise misfit(column, value) from error

    return normalise


def _moment(value: str | datetime) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _truth(value: int) -> bool:
    if value not in (0, 1):
        raise ValueError(value)
    return bool(value)


_ACCEPTED: dict[Kind, tuple[type, ...]] = {
    Kind.INTEGER: (int,), Kind.REAL: (int, float), Kind.BOOLEAN: (int,), Kind.TIMESTAMP: (str, datetime),
    Kind.JSON: (str,), Kind.TEXT: (str,), Kind.BYTES: (bytes,),
}  # fmt: skip
_NORMALISING: dict[Kind, Callable[[Any], Any]] = {
    Kind.REAL: float, Kind.BOOLEAN: _truth, Kind.TIMESTAMP: _moment, Kind.TEXT: as_text,
}  # fmt: skip
# Types of values that are already as they should be.
_NORMAL: dict[Kind, set[type]] = {
    Kind.REAL: {float, NoneType}, Kind.BOOLEAN: {bool, NoneType}, Kind.TEXT: {str, NoneType},
    Kind.TIMESTAMP: {NoneType},
}  # fmt: skip
_PROOFS: dict[Kind, Callable[[Any], Any]] = {
    Kind.INTEGER: int, Kind.JSON: json.loads, Kind.BYTES: bytes, **_NORMALISING
}  # fmt: skip
