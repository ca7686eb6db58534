"""Where a trial stands once no attempt runs: what its last attempt came to, and what a person has asked of it."""

from __future__ import annotations

from sqlalchemy import Connection, case, update

from db.states import FINAL_TRIAL_STATES, AttemptState, Hold, TrialState
from db.tables import Trial
from db.types import database_now

_TRIAL_STATE_AFTER = {
    AttemptState.SUCCEEDED: TrialState.SUCCEEDED,
    AttemptState.STOPPED: TrialState.STOPPED,
    AttemptState.INTERRUPTED: TrialState.PAUSED,
    AttemptState.FAILED: TrialState.FAILED,
    AttemptState.LOST: TrialState.RECOVERING,
}


def state_after(attempt: AttemptState) -> TrialState:
    """The state of a trial whose last attempt ended like this, of which nothing was asked."""
    return _TRIAL_STATE_AFTER[attempt]


def settle(connection: Connection, trial_id: int, state: TrialState) -> None:
    """Give a trial that no attempt holds any more its state.

    One that has an end of its own keeps it, and what was asked of it has come too late. Any other is cancelled or
    paused if that was asked, and in `state` if not.
    """
    if state in FINAL_TRIAL_STATES:
        values = {"state": state, "hold": None, "finished_at": database_now()}
        connection.execute(update(Trial).where(Trial.id == trial_id).values(values))
        return
    is_cancelled = Trial.hold == Hold.CANCEL
    connection.execute(
        update(Trial)
        .where(Trial.id == trial_id, Trial.state == TrialState.RUNNING)
        .values(
            state=case(
                (is_cancelled, TrialState.CANCELLED), (Trial.hold == Hold.PAUSE, TrialState.PAUSED), else_=state
            ),
            finished_at=case((is_cancelled, database_now()), else_=None),
        )
    )
