"""How an attempt stands whose process has been away, or is gone: whether what is left of it may still be written."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, select

from db.records import Process
from db.states import AttemptState
from db.store.leases import has_run_out
from db.tables import Attempt, Trial


class Standing(StrEnum):
    """Whether what is left of an attempt may be written: only while it is SILENT."""

    UNKNOWN = "unknown"  # this database has no such attempt
    HELD = "held"  # it may still be alive
    SILENT = "silent"  # the newest one, and nobody knows how it ended
    ENDED = "ended"  # it said itself how it ended, which it says last
    REPLACED = "replaced"  # a later one went on from what was known


def standing(connection: Connection, *, trial_id: int, number: int, process: Process) -> Standing:
    """How an attempt stands; it stays so until the transaction ends, since the trial cannot be claimed meanwhile."""
    # The attempt before its trial, as every write locks them. On SQLite a write transaction has the whole database.
    found = connection.execute(
        select(Attempt.state, has_run_out().label("has_run_out"))
        .where(Attempt.trial_id == trial_id, Attempt.number == number, _is_of(process))
        .with_for_update(key_share=True)
    ).first()
    trial = select(Trial.attempts).where(Trial.id == trial_id)
    newest = connection.scalar(trial.with_for_update(key_share=True))
    if found is None or newest is None:
        return Standing.UNKNOWN
    if newest > number:
        return Standing.REPLACED
    if found.state == AttemptState.RUNNING:
        return Standing.SILENT if found.has_run_out else Standing.HELD
    return Standing.SILENT if found.state == AttemptState.LOST else Standing.ENDED


def claimed_by(connection: Connection, *, trial_id: int, process: Process) -> int | None:
    """Number of the living attempt that this very process has at the trial."""
    living = and_(Attempt.trial_id == trial_id, Attempt.state == AttemptState.RUNNING, _is_of(process))
    return connection.scalar(select(Attempt.number).where(living))


def _is_of(process: Process) -> ColumnElement[bool]:
    return and_(*(getattr(Attempt, column) == value for column, value in vars(process).items()))
