"""What a person asks of trials, from whichever terminal, whether they run or not.

Each request is written where the trial finds it: an attempt that runs hears of it with the next thing it writes, a
driver when it looks for what to start. Nothing is asked twice: a request that is there already changes nothing. A trial
that has an end is left alone, but for `retry`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, Update, case, or_, update

from db.connection.engines import begin_write
from db.states import FINAL_TRIAL_STATES, Hold, TrialState
from db.store.locking import update_each
from db.tables import Trial
from db.types import database_now

_IS_RUNNING = Trial.state == TrialState.RUNNING
_HAS_NO_END = Trial.state.not_in(FINAL_TRIAL_STATES)


class SteeringStore:
    """Every method takes the numbers of trials and returns those that it changed something of."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pause(self, trial_ids: Sequence[int]) -> list[int]:
        """Hold trials until they are resumed; one that runs saves a checkpoint at the end of its step and stops."""
        held = update(Trial).where(_HAS_NO_END, Trial.hold.is_(None))
        return self._each(
            trial_ids, held.values(hold=Hold.PAUSE, state=case((_IS_RUNNING, Trial.state), else_=TrialState.PAUSED))
        )

    def resume(self, trial_ids: Sequence[int]) -> list[int]:
        """Let trials that were paused go on; one that still runs, having not heard of its pause yet, just does."""
        paused = update(Trial).where(Trial.hold == Hold.PAUSE)
        return self._each(
            trial_ids, paused.values(hold=None, state=case((_IS_RUNNING, Trial.state), else_=TrialState.PLANNED))
        )

    def cancel(self, trial_ids: Sequence[int]) -> list[int]:
        """End trials for good; one that runs stops at the end of its step. What they have measured is kept."""
        open_ones = update(Trial).where(_HAS_NO_END, or_(Trial.hold.is_(None), Trial.hold != Hold.CANCEL))
        return self._each(
            trial_ids,
            open_ones.values(
                hold=Hold.CANCEL,
                state=case((_IS_RUNNING, Trial.state), else_=TrialState.CANCELLED),
                finished_at=case((_IS_RUNNING, None), else_=database_now()),
            ),
        )

    def retry(self, trial_ids: Sequence[int]) -> list[int]:
        """Try trials again that have failed or were cancelled; what failed before counts no more.

        One that was to be cancelled and still runs goes on.
        """
        ended = Trial.state.in_((TrialState.FAILED, TrialState.CANCELLED))
        again = update(Trial).where(or_(ended, Trial.hold == Hold.CANCEL))
        return self._each(
            trial_ids,
            again.values(
                hold=None,
                state=case((_IS_RUNNING, Trial.state), else_=TrialState.PLANNED),
                retried_after=Trial.attempts,
                finished_at=None,
            ),
        )

    def prioritise(self, trial_ids: Sequence[int], priority: int) -> list[int]:
        """Let trials start before those of a lower priority; what runs is not disturbed."""
        others = update(Trial).where(_HAS_NO_END, Trial.priority != priority)
        return self._each(trial_ids, others.values(priority=priority))

    def _each(self, trial_ids: Sequence[int], statement: Update) -> list[int]:
        with begin_write(self._engine) as connection:
            return update_each(connection, trial_ids, statement)
