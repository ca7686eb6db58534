"""The query for the rows of one view or table: all of them, those of one sweep, or those with certain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from sqlalchemy import ColumnElement, column, select

from db.description.catalog import Relation
from db.errors import SpecError
from db.querying.readonly import AnySelect
from db.tables import Evaluation, Fit, SweepTrial
from db.types import UtcDateTime

# Their rows belong to one sweep; elsewhere `sweep_id` is the sweep that paid, and a trial may belong to several.
_ROWS_OF_ONE_SWEEP = ("sweep_trial", "trial_status")
_ORDER = ("sweep_id", "fit_id", "trial_id", "attempt", "step")


def relation_query(
    relation: Relation, *, sweep_id: int | None = None, where: Mapping[str, Any] | None = None
) -> AnySelect:
    """All columns of the relation's rows, by sweep, fit, trial, attempt and step, as far as it has them.

    `where` gives a value that a column must have, several of which it must have one, or None for a missing one.
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
    columns = relation.table.c
    if name not in columns:
        near = get_close_matches(name, columns.keys(), n=3) or columns.keys()
        raise SpecError(f"{relation.name} has no column {name!r}. Its columns: {', '.join(near)}.")
    one = columns[name]
    plain = value.tolist() if hasattr(value, "tolist") else value  # as arrays, series and their items have it
    if plain is None:
        return one.is_(None)
    many = list(plain) if isinstance(plain, (list, tuple, set, frozenset)) else [plain]
    for each in many:
        if isinstance(one.type, UtcDateTime) and (not isinstance(each, datetime) or each.tzinfo is None):
            raise SpecError(f"{name} is a moment; give an aware datetime, not {each!r}.")
    return one.in_(many)


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
