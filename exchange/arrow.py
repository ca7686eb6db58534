"""Rows as Arrow record batches, whose fields carry the columns' comments and units as metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from db.description.catalog import Column, Kind
from exchange.typed_rows import TypedRows, misfit

_TYPES: dict[Kind, pa.DataType] = {
    Kind.INTEGER: pa.int64(),
    Kind.REAL: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Kind.JSON: pa.string(),
    Kind.TEXT: pa.string(),
    Kind.BYTES: pa.binary(),
}


def arrow_schema(columns: Sequence[Column], metadata: Mapping[str, str] | None = None) -> pa.Schema:
    """The columns as Arrow fields; what is not known of a column is not in its metadata."""
    fields = [pa.field(column.name, _TYPES[column.kind], metadata=_documentation(column)) for column in columns]
    return pa.schema(fields, metadata=dict(metadata or {}))


def record_batches(rows: TypedRows, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows, a record batch for each of their batches."""
    for batch in rows.batches:
        values = zip(*batch, strict=True)
        arrays = [_array(column, each) for column, each in zip(rows.columns, values, strict=True)]
        yield pa.record_batch(arrays, schema=schema)


def _documentation(column: Column) -> dict[str, str]:
    known = {"comment": column.comment, "unit": column.unit, "json": "true" if column.kind == Kind.JSON else None}
    return {key: value for key, value in known.items() if value}


def _array(column: Column, values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, type=_TYPES[column.kind], from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        odd = next((value for value in values if not _is_accepted(column, value)), None)
        raise misfit(column, odd) from error


def _is_accepted(column: Column, value: Any) -> bool:
    try:
        pa.array([value], type=_TYPES[column.kind], from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return False
    return True
