"""Changing many trials at once without waiting in a ring for each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Update, select

from db.tables import Trial

Value = TypeVar("Value")


def update_each(connection: Connection, trial_ids: Sequence[int], statement: Update) -> list[int]:
    """Run an update on these trials, in order of their numbers; returns those that it changed."""
    changed: list[int] = []
    for chunk in chunks(sorted(trial_ids)):
        # Locked first, so that the update finds them as whoever had the lock before has left them.
        these = select(Trial.id).where(Trial.id.in_(chunk)).order_by(Trial.id)
        connection.execute(these.with_for_update(key_share=True)).all()
        changed += connection.scalars(statement.where(Trial.id.in_(chunk)).returning(Trial.id))
    return sorted(changed)


def chunks(values: Sequence[Value]) -> Iterator[list[Value]]:
    """The values, as many at a time as either database binds in one statement."""
    for start in range(0, len(values), 500):
        yield list(values[start : start + 500])
