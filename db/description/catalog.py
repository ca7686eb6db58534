"""What there is to read: the views and tables by name, and what each of their columns holds.

Built from the descriptions in `db.tables` and `db.views`, so it needs no connection and cannot differ from them.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.types import JSON, Boolean, DateTime, Float, Integer, LargeBinary, TypeEngine

from db.errors import SpecError
from db.tables import Base
from db.types import UtcDateTime
from db.views import views

# The last word of a name says the unit.
_UNITS = {
    "flops": "FLOPs",
    "tokens": "tokens",
    "samples": "prompts",
    "prompts": "prompts",
    "seconds": "s",
    "hours": "h",
    "bytes": "bytes",
    "share": "share, 0 to 1",
    "at": "UTC",
}


class Kind(StrEnum):
    """What kind of value a column holds, in whichever database it is."""

    INTEGER = "integer"
    REAL = "real"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    JSON = "json"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True)
class Column:
    """A column as documented. `unit` is None for a plain number or word."""

    name: str
    kind: Kind
    unit: str | None
    comment: str


@dataclass(frozen=True)
class Relation:
    """A view or a table as documented."""

    name: str
    is_view: bool
    comment: str
    columns: tuple[Column, ...]
    table: Table


@cache
def relations() -> dict[str, Relation]:
    """The views, then the tables, by name."""
    return {
        table.name: _describe(table, is_view=metadata is views)
        for metadata in (views, Base.metadata)
        for table in metadata.tables.values()
    }


def relation(name: str) -> Relation:
    """The view or table of that name. SpecError naming the nearest if there is none."""
    if name in relations():
        return relations()[name]
    raise SpecError(f"There is no view or table {name!r}. {suggest_relations(name, relations().keys())}")


def suggest_relations(name: str, present: AbstractSet[str]) -> str:
    """A sentence with the names nearest to `name` of those `present`, or with all views if none is near."""
    plain = name.rpartition(".")[2]
    if plain in relations() and plain not in present:
        is_view = relations()[plain].is_view
        mend = "`rlsweep db upgrade` makes it again" if is_view else "restore a backup"
        return f"The database has lost its {'view' if is_view else 'table'} {plain}: {mend}."
    near = get_close_matches(plain, [known for known in relations() if known in present], n=3)
    if near:
        return f"Did you mean {', '.join(near)}? `rlsweep sql` lists them all."
    listed = ", ".join(view for view in views.tables if view in present)
    return f"Views: {listed}. `rlsweep sql` lists the tables too." if listed else ""


def suggest_columns(name: str, *, asked: AbstractSet[str]) -> str:
    """A sentence with the columns nearest to `name` in those of the relations that are `asked`.

    Where none is near: which relations have a column of that name, or how the columns are listed.
    """
    plain = name.rpartition(".")[2]
    chosen = [each for each in relations().values() if each.name in asked]
    own = [each.name for each in chosen if plain in _names(each)]
    near = get_close_matches(plain, sorted({column for each in chosen for column in _names(each)}), n=3)
    if near and not own:
        return f"Did you mean {', '.join(near)}?"
    holders = own or [each.name for each in relations().values() if plain in _names(each)]
    if holders:
        return f"{plain} is a column of {', '.join(holders)}."
    return f"`rlsweep sql --describe {chosen[0].name}` lists the columns." if chosen else ""


@cache
def documented_column(name: str) -> Column | None:
    """What a result column of that name holds; None unless all views and tables that have the name agree on the kind.

    Where their comments differ there is none.
    """
    found = {column for each in relations().values() for column in each.columns if column.name == name}
    if len({column.kind for column in found}) != 1:
        return None
    first = next(iter(found))
    return first if len(found) == 1 else replace(first, comment="")


def _names(relation: Relation) -> list[str]:
    return [column.name for column in relation.columns]


def _describe(table: Table, *, is_view: bool) -> Relation:
    columns = tuple(
        Column(column.name, _kind(column.type), _UNITS.get(column.name.rpartition("_")[2]), column.comment or "")
        for column in table.columns
    )
    return Relation(table.name, is_view, table.comment or "", columns, table)


def _kind(type_: TypeEngine[Any]) -> Kind:
    kinds: tuple[tuple[type[Any], Kind], ...] = (
        (UtcDateTime, Kind.TIMESTAMP),
        (DateTime, Kind.TIMESTAMP),
        (Boolean, Kind.BOOLEAN),
        (Integer, Kind.INTEGER),
        (Float, Kind.REAL),
        (JSON, Kind.JSON),
        (LargeBinary, Kind.BYTES),
    )
    return next((kind for class_, kind in kinds if isinstance(type_, class_)), Kind.TEXT)
