"""Every checkpoint that trials recorded, deleted ones too, and how those trials stand. Nothing here writes.

What a trial goes on from is `Reader.live_checkpoints`; this is for looking after the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, or_, select

from db.states import Origin
from db.store.leases import may_be_alive
from db.tables import Attempt, Checkpoint, SweepTrial, Trial


@dataclass(frozen=True)
class CheckpointRow:
    """A checkpoint as recorded. One that is not live is of steps that a later attempt took again."""

    id: int
    trial_id: int
    attempt: int
    step: int
    uri: str
    num_bytes: int
    manifest_sha256: str
    is_milestone: bool
    is_live: bool
    written_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True)
class TrialFiles:
    """A trial that ran here or is to run, with its checkpoints. `attempts` counts them: it grows with every claim."""

    trial_id: int
    science_hash: str
    state: str
    attempts: int
    is_held: bool
    checkpoints: tuple[CheckpointRow, ...]


def checkpoints_of(engine: Engine, trial_ids: Sequence[int]) -> list[CheckpointRow]:
    """All checkpoints of these trials, by trial, step and attempt."""
    counts = or_(Attempt.live_through_step.is_(None), Checkpoint.step <= Attempt.live_through_step)
    columns = [column for column in Checkpoint.__table__.columns if column.name in CheckpointRow.__dataclass_fields__]
    statement = (
        select(*columns, counts.label("is_live"))
        .join(Attempt, (Attempt.trial_id == Checkpoint.trial_id) & (Attempt.number == Checkpoint.attempt))
        .where(Checkpoint.trial_id.in_(trial_ids))
        .order_by(Checkpoint.trial_id, Checkpoint.step, Checkpoint.attempt)
    )
    with engine.connect() as connection:
        rows = connection.execute(statement).mappings()
        return [CheckpointRow(**{**row, "is_live": bool(row["is_live"])}) for row in rows]


def native_trials(engine: Engine) -> list[int]:
    """Numbers of all trials that run here, in order; imported runs have no checkpoints."""
    with engine.connect() as connection:
        return list(connection.scalars(select(Trial.id).where(Trial.origin == Origin.NATIVE).order_by(Trial.id)))


def trial_files(engine: Engine, trial_ids: Sequence[int]) -> list[TrialFiles]:
    """The trials of these that run here, in order, with all of their checkpoints."""
    held = select(Attempt.trial_id).where(Attempt.trial_id.in_(trial_ids), may_be_alive())
    facts = (
        select(Trial.id, Trial.science_hash, Trial.state, Trial.attempts)
        .where(Trial.id.in_(trial_ids), Trial.origin == Origin.NATIVE)
        .order_by(Trial.id)
    )
    with engine.connect() as connection:
        trials = connection.execute(facts).all()
        living = set(connection.scalars(held))
    # Read after the trials: a claim in between changes their number of attempts, and what is done by it is refused.
    rows = checkpoints_of(engine, trial_ids)
    return [
        TrialFiles(
            *trial, is_held=trial.id in living, checkpoints=tuple(row for row in rows if row.trial_id == trial.id)
        )
        for trial in trials
    ]


def sweeps_specs(engine: Engine, trial_id: int) -> list[dict[str, Any]]:
    """The specification of a trial in each sweep that asks for it."""
    statement = select(SweepTrial.spec).where(SweepTrial.trial_id == trial_id, SweepTrial.spec.is_not(None))
    with engine.connect() as connection:
        return [dict(spec) for spec in connection.scalars(statement) if spec is not None]
