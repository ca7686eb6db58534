"""What becomes of values on their way into the tables, so that both databases keep the same.

Left to themselves SQLite keeps any text and no NaN, and PostgreSQL keeps NaN, refuses a NUL character and text that is
longer than its column, and neither keeps half of a surrogate pair. In a JSON column SQLite keeps NaN and infinities and
PostgreSQL does not. Whole numbers beyond 64 bits fit neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from math import isfinite
from typing import Any

from db.errors import SpecError
from db.tables import Attempt, Base

_LARGEST = 2**63 - 1


def stored(table: type[Base], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column of `table`, as they are kept. What is not a number is missing; text loses what cannot be kept.

    Text that is longer than its column is cut in an attempt's row, which only describes; elsewhere it is a name, and
    SpecError is raised: two long names could become one. So it is for a whole number beyond 64 bits, and for a number
    inside a JSON document that is not finite: there, nothing says that it may be missing.
    """
    kept = dict(values)
    for name, value in values.items():
        if isinstance(value, str):
            kept[name] = _fitted(table, name, _storable(value))
        elif isinstance(value, (int, float)):
            kept[name] = number_of(value)
        elif isinstance(value, (dict, list)):
            _check_document(table, name, value)
    return kept


def number_of(value: Any) -> Any:
    """A number as it is kept: None for what is not one. SpecError for a whole number beyond 64 bits."""
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return None
    if isinstance(value, int) and not -_LARGEST - 1 <= value <= _LARGEST:
        raise SpecError(f"The number {value} has more than 64 bits; the database keeps none that is larger.")
    return value


def _check_document(table: type[Base], name: str, document: Any) -> None:
    try:
        json.dumps(document, allow_nan=False)
    except ValueError as error:
        place, value = next(_not_finite(document))
        raise SpecError(
            f"The {name} of a {_called(table)} cannot be kept: {place.lstrip('.')} is {value}, and JSON has no such "
            "number. Give a finite one, or null."
        ) from error


def _not_finite(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Where in a document there is a number that JSON does not have."""
    if isinstance(value, float) and not isfinite(value):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _not_finite(inner, f"{place}.{name}")
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value):
            yield from _not_finite(inner, f"{place}[{position}]")


def _storable(text: str) -> str:
    r"""The text with `\x00` for NUL and `\udc80` for a byte that was no text."""
    return text.replace("\0", r"\x00").encode(errors="backslashreplace").decode()


def _fitted(table: type[Base], name: str, text: str) -> str:
    width = _widths(table).get(name, len(text))
    if len(text) <= width:
        return text
    if table is Attempt:
        return text[: width - 1] + "…"
    raise SpecError(
        f"The {name} of a {_called(table)}, {text[:40]!r}..., has {len(text)} characters; "
        f"the database keeps at most {width}. Choose a shorter one."
    )


def _called(table: type[Base]) -> str:
    return str(table.__tablename__).replace("_", " ")


@cache
def _widths(table: type[Base]) -> dict[str, int]:
    """Columns whose length is bounded."""
    lengths = {column.name: getattr(column.type, "length", None) for column in table.__table__.columns}
    return {name: length for name, length in lengths.items() if length is not None}
