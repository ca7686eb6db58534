"""Rows as CSV and as JSON, as exact as the database has them: no number is rounded.

A missing value is nothing in CSV and null in JSON, and so is what is not a number. Infinity is the text `Infinity` or
`-Infinity` in both. So it is inside a JSON value, but in CSV that is the text that the database has. Moments are
ISO 8601 in UTC. Bytes are hexadecimal.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from db.description.catalog import Column, Kind
from db.querying.result_columns import Row, map_columns
from exchange.typed_rows import TypedRows


def write_csv(rows: TypedRows, out: TextIO) -> int:
    """Write a header and the rows; returns their number."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in rows.columns])
    number = 0
    for batch in rows.batches:
        writer.writerows(_spelled(rows.columns, batch, _CSV_SPELLING))
        number += len(batch)
    return number


def write_json_lines(rows: TypedRows, out: TextIO) -> int:
    """Write one JSON object a line; returns the number of rows."""
    number = 0
    for number, line in enumerate(_json_objects(rows), start=1):  # noqa: B007
        out.write(f"{line}\n")
    return number


def write_json_array(rows: TypedRows, out: TextIO) -> int:
    """Write one JSON array with an object a line; returns the number of rows."""
    number = 0
    for number, line in enumerate(_json_objects(rows), start=1):
        out.write(f"{',' if number > 1 else '['}\n{line}")
    out.write("\n]\n" if number else "[]\n")
    return number


def _json_objects(rows: TypedRows) -> Iterator[str]:
    names = [column.name for column in rows.columns]
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    for batch in rows.batches:
        for row in _spelled(rows.columns, batch, _JSON_SPELLING):
            yield encode(dict(zip(names, row, strict=True)))


def _spelled(columns: Sequence[Column], rows: Sequence[Row], spelling: dict[Kind, Callable[[Any], Any]]) -> Any:
    places = {place: spelling[column.kind] for place, column in enumerate(columns) if column.kind in spelling}
    return map_columns(rows, places)


def _number(value: float) -> float | str | None:
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _document(text: str) -> Any:
    """A JSON value, in which SQLite may have kept numbers that JSON has no spelling for."""
    return json.loads(text, parse_constant=_spelled_number, parse_float=_spelled_number)


def _spelled_number(text: str) -> float | str | None:
    return _number(float(text))


_CSV_SPELLING: dict[Kind, Callable[[Any], Any]] = {
    Kind.TIMESTAMP: lambda moment: moment.isoformat(timespec="microseconds"),
    Kind.BOOLEAN: lambda truth: "true" if truth else "false",
    Kind.REAL: _number,
    Kind.BYTES: bytes.hex,
}
_JSON_SPELLING: dict[Kind, Callable[[Any], Any]] = {
    Kind.TIMESTAMP: _CSV_SPELLING[Kind.TIMESTAMP],
    Kind.REAL: _number,
    Kind.BYTES: bytes.hex,
    Kind.JSON: _document,
}
