"""The values of `:name` in a query, checked before the database sees them, in the driver's own form.

What stands in quotes or comments is text, whatever it looks like, and so is the second colon of PostgreSQL's `::`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import isnan
from typing import Any

from db.errors import SpecError

_TOKENS = re.compile(
    r"""(?P<text>[eE]'(?:\\.|[^'])*'|'[^']*'|"[^"]*"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
    r"|(?<![:\w]):(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark>\?\d*|(?<!\w)[@$]\w+)",
    re.DOTALL,
)
_HOW = (
    'A value is given by name: {"seed": 1} in Python, --param seed=1 on the command line. A colon that is text stands '
    "in quotes."
)
_INTEGERS = range(-(2**63), 2**63)


def bind(query: str, parameters: Mapping[str, Any] | None, *, dialect: str) -> tuple[str, dict[str, Any] | None]:
    """The query and its values as the driver takes them; None for a query without `:name`.

    A list is as many values, for `IN :name` or `IN (:name)`. SpecError if a value is missing, has no place in the
    query, or is of a type that no column has.
    """
    given = _checked(parameters)
    names = {found["name"] for found in _TOKENS.finditer(query) if found["name"]}
    if dialect == "sqlite":
        _refuse_marks(query)
    if missing := sorted(names - given.keys()):
        raise SpecError(f"The query has no value for {', '.join(f':{name}' for name in missing)}. {_HOW}")
    if extra := sorted(given.keys() - names):
        placed = f"it has {', '.join(f':{name}' for name in sorted(names))}" if names else "it has none"
        raise SpecError(f"The query has no place for the parameter {', '.join(extra)}; {placed}.")
    if not names:
        return query, None
    values: dict[str, Any] = {}

    def placed_at(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return _kept(found[0], dialect)
        return _placed(query[: found.start()], name, given[name], values=values, dialect=dialect)

    return _spelled(query, placed_at, dialect), values


def is_many(value: object) -> bool:
    """Whether a value stands for several: a list, tuple, set, range or another collection, but no text."""
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, memoryview, Mapping))


def plain(value: Any) -> Any:
    """A value of an array, a series or one of their items as Python's own."""
    return value.tolist() if hasattr(value, "tolist") else value


def _checked(parameters: object) -> dict[str, Any]:
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise SpecError(f"Parameters are given as {parameters!r}, not by name. {_HOW}")
    found = {str(name): plain(value) for name, value in parameters.items()}
    return {name: _many(name, value) if is_many(value) else _one(name, value) for name, value in found.items()}


def _many(name: str, values: Iterable[Any]) -> list[Any]:
    found = [_one(name, plain(value)) for value in values]
    if not found:
        raise SpecError(f"Parameter {name!r} is empty: no value is in it, and no SQL says so on both databases.")
    return found


def _one(name: str, value: Any) -> Any:
    """A value that both drivers know. What is not a number is missing."""
    if isinstance(value, float) and isnan(value):
        return None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise SpecError(f"Parameter {name!r} is {value!r}, which has no time zone; give an aware datetime.")
        return value.astimezone(UTC)
    if isinstance(value, int) and value not in _INTEGERS:
        raise SpecError(f"Parameter {name!r} is {value}, which is no 64-bit integer; write {float(value)}.")
    if value is None or isinstance(value, (str, bytes, bool, int, float)):
        return value
    raise SpecError(
        f"Parameter {name!r} is {value!r}, of type {type(value).__name__}. It can be a number, text, bytes, True, "
        "False, None, an aware datetime, or a list of these."
    )


def _refuse_marks(query: str) -> None:
    """SQLite has three more ways to write a parameter, which PostgreSQL has not."""
    if mark := next((found["mark"] for found in _TOKENS.finditer(query) if found["mark"]), None):
        raise SpecError(f"The query has a parameter written {mark}; write it :name. {_HOW}")


def _placed(before: str, name: str, value: Any, *, values: dict[str, Any], dialect: str) -> str:
    if not isinstance(value, list):
        values[name] = _sent(value, dialect)
        return _mark(name, dialect)
    each = [f"{name}__{number}" for number in range(len(value))]
    values.update(zip(each, (_sent(one, dialect) for one in value), strict=True))
    listed = ", ".join(_mark(one, dialect) for one in each)
    return listed if before.rstrip().endswith(("(", ",")) else f"({listed})"


def _sent(value: Any, dialect: str) -> Any:
    """SQLite keeps a moment as text, without its zone."""
    if isinstance(value, datetime) and dialect == "sqlite":
        return f"{value:%Y-%m-%d %H:%M:%S.%f}"
    return value


def _mark(name: str, dialect: str) -> str:
    return f":{name}" if dialect == "sqlite" else f"%({name})s"


def _kept(piece: str, dialect: str) -> str:
    """Text of the query; psycopg takes a lone % for a parameter once there are any."""
    return piece if dialect == "sqlite" else piece.replace("%", "%%")


def _spelled(query: str, placed_at: Any, dialect: str) -> str:
    pieces, end = [], 0
    for found in _TOKENS.finditer(query):
        pieces += [_kept(query[end : found.start()], dialect), placed_at(found)]
        end = found.end()
    return "".join([*pieces, _kept(query[end:], dialect)])
