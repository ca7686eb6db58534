"""What becomes of values on their way into the tables, so that both databases keep the same.

Left to themselves SQLite keeps any text and no NaN, and PostgreSQL keeps NaN, refuses a NUL character and text that is
longer than its column, and neither keeps half of a surrogate pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import isnan
from typing import Any

from db.errors import SpecError
from db.tables import Attempt, Base


def stored(table: type[Base], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column of `table`, as they are kept. What is not a number is missing; text loses what cannot be kept.

    Text that is longer than its column is cut in an attempt's row, which only describes; elsewhere it is a name, and
    SpecError is raised: two long names could become one.
    """
    kept = dict(values)
    for name, value in values.items():
        if isinstance(value, str):
            kept[name] = _fitted(table, name, _storable(value))
        elif isinstance(value, float) and isnan(value):
            kept[name] = None
    return kept


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
        f"The {name} of a {table.__tablename__.replace('_', ' ')}, {text[:40]!r}..., has {len(text)} characters; "
        f"the database keeps at most {width}. Choose a shorter one."
    )


@cache
def _widths(table: type[Base]) -> dict[str, int]:
    """Columns whose length is bounded."""
    lengths = {column.name: getattr(column.type, "length", None) for column in table.__table__.columns}
    return {name: length for name, length in lengths.items() if length is not None}
