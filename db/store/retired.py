"""Saying that checkpoints of trials that do not run are gone; a living attempt says so itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, exists, select, update

from db.connection.engines import begin_write
from db.store.leases import may_be_alive
from db.tables import Attempt, Checkpoint, Trial
from db.types import database_now


def retire_checkpoints(engine: Engine, *, trial_id: int, attempts: int, checkpoint_ids: Sequence[int]) -> bool:
    """Record checkpoints as deleted, before their files are: no later attempt will look for them.

    Returns False, and changes nothing, if an attempt may be alive or there are more than the `attempts` that the
    caller knows of. Nobody claims the trial meanwhile: a claim locks the same rows in the same order.
    """
    with begin_write(engine) as connection:
        of_trial = select(Attempt.id).where(Attempt.trial_id == trial_id, may_be_alive())
        connection.execute(of_trial.with_for_update(key_share=True)).all()
        locked = select(Trial.attempts).where(Trial.id == trial_id).with_for_update(key_share=True)
        if connection.execute(locked).scalar_one() != attempts:
            return False
        # A statement of its own: one that waited for the lock would not see what it waited for.
        if connection.scalar(select(exists().where(Attempt.trial_id == trial_id, may_be_alive()))):
            return False
        connection.execute(
            update(Checkpoint)
            .where(Checkpoint.trial_id == trial_id, Checkpoint.id.in_(checkpoint_ids), Checkpoint.deleted_at.is_(None))
            .values(deleted_at=database_now())
        )
    return True
