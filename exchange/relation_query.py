"""The query for the rows of one view or table: all of them, those of one sweep, or those with certain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from math import isnan
from typing import Any

from sqlalchemy import ColumnElement, column, false, or_, select

from db.description.catalog import Column, Kind, Relation
from db.errors import SpecError
from db.querying.parameters import is_many, plain
from db.querying.readonly import AnySelect
from db.tables import Evaluation, Fit, SweepTrial

# Their rows belong to one sweep; elsewhere `sweep_id` is the sweep that paid, and a trial may belong to several.
_ROWS_OF_ONE_SWEEP = ("sweep_trial", "trial_status")
_ORDER = ("sweep_id", "fit_id", "trial_id", "attempt", "step")


def relation_query(
    relation: Relation, *, sweep_id: int | None = None, where: Mapping[str, Any] | None = None
) -> AnySelect:
    """All columns of the relation's rows, by sweep, fit, trial, attempt and step, as far as it has them.

    `where` gives a value that a column must have, several of which it must have one, or None for a missing one.
    SpecError for a column that the relation has not, and for a value that such a column cannot hold.
    """
    # Bare names: their values come as the database has them, whatever SQLAlchemy knows of their types.
    query: AnySelect = select(*(column(each.name) for each in relation.columns)).select_from(relation.table)
    if sweep_id is not None:
        query = query.where(_of_sweep(relation, sweep_id))
    for name, value in (where or {}).items():
        query = query.where(_has(relation, name, value))
    keys = relation.table.primary_key.columns or [relation.table.c[key] for key in _ORDER if key in relation.table.c]
    return query.order_by(*keys)


def _has(relation: Relation, name: str, value: Any) -> ColumnElement[bool]:
    described = next((each for each in relation.columns if each.name == name), None)
    if described is None:
        raise SpecError(f"{relation.name} has no column {name!r}. {_suggestion(relation, name)}")
    wanted = plain(value)
    each = [_checked(described, plain(one)) for one in (wanted if is_many(wanted) else [wanted])]
    one = relation.table.c[name]
    known = [value for value in each if value is not None]
    conditions = [one.in_(known)] if known else []
    return or_(false(), *conditions, *([one.is_(None)] if len(known) < len(each) else []))


def _suggestion(relation: Relation, name: str) -> str:
    names = [each.name for each in relation.columns]
    near = get_close_matches(name, names, n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Its columns: {', '.join(names)}."


def _checked(column: Column, value: Any) -> Any:
    """A value as the column may hold it; None for a missing one."""
    if _is_missing(value):
        return None
    if column.kind == Kind.INTEGER and isinstance(value, float) and value.is_integer():
        return int(value)
    accepted, in_words = _HOLDS[column.kind]
    is_truth = isinstance(value, bool) and column.kind != Kind.BOOLEAN
    if not isinstance(value, accepted) or is_truth:
        raise SpecError(f"{column.name} holds {in_words}, and {value!r} is none.")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise SpecError(f"{column.name} is a moment; give an aware datetime, not {value!r}.")
    return value


def _is_missing(value: Any) -> bool:
    """None, what is not a number, and what pandas has in their place."""
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and isnan(value))


# What a value of a column may be in Python, and what that is called.
_HOLDS: dict[Kind, tuple[tuple[type, ...], str]] = {
    Kind.INTEGER: ((int,), "integers"),
    Kind.REAL: ((int, float), "numbers"),
    Kind.BOOLEAN: ((bool,), "True or False"),
    Kind.TIMESTAMP: ((datetime,), "moments (aware datetimes)"),
    Kind.TEXT: ((str,), "text"),
    Kind.JSON: ((str,), "JSON, as text"),
    Kind.BYTES: ((bytes,), "bytes"),
}


def _of_sweep(relation: Relation, sweep_id: int) -> ColumnElement[bool]:
    columns: Mapping[str, ColumnElement[Any]] = dict(relation.table.c)
    members = select(SweepTrial.trial_id).where(SweepTrial.sweep_id == sweep_id)
    if relation.name in _ROWS_OF_ONE_SWEEP or ("sweep_id" in columns and "trial_id" not in columns):
        return columns["sweep_id"] == sweep_id
    if relation.name == "sweep":
        return columns["id"] == sweep_id
    if relation.name == "trial":
        return columns["id"].in_(members)
    if "trial_id" in columns:
        return columns["trial_id"].in_(members)
    if "fit_id" in columns:
        return columns["fit_id"].in_(select(Fit.id).where(Fit.sweep_id == sweep_id))
    if "evaluation_id" in columns:
        return columns["evaluation_id"].in_(select(Evaluation.id).where(Evaluation.trial_id.in_(members)))
    raise SpecError(f"The rows of {relation.name} do not belong to a sweep; leave the sweep out.")
