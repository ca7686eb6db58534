"""How far an imported run has come, repeated with its trial as a trial that runs here repeats it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from db.store.lineage import restate_progress
from db.tables import Trial
from db.views import live_evaluation


def keep_progress(connection: Connection, trial_id: int, *, attempts: int) -> None:
    """Repeat with the trial how far its live lineage has come; its first score says which benchmark is its headline."""
    scores = live_evaluation.c
    scored = select(scores.benchmark, scores.protocol).where(scores.trial_id == trial_id)
    first = connection.execute(scored.order_by(scores.step, scores.id).limit(1)).first()
    values: dict[str, Any] = {"attempts": attempts}
    if first is not None:
        values |= {"headline_benchmark": first.benchmark, "headline_protocol": first.protocol}
    connection.execute(update(Trial).where(Trial.id == trial_id).values(values))
    restate_progress(connection, trial_id)
