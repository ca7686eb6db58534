"""What has happened to the trials of a sweep, in order, each with a name that is the same whoever reads it.

An event is told from rows that nothing changes any more: an attempt that is over, a trial that has an end. So a driver
that takes over finds what the one before it has not told. A trial that failed may be taken up again a moment later, and
a row may be written a moment before it is seen; so what happened counts only after it has settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, and_, func, or_, select

from db.states import FINAL_TRIAL_STATES, AttemptState, TrialState
from db.tables import Attempt, Sweep, SweepTrial, Trial
from db.types import database_now

SETTLED_SECONDS = 10.0


@dataclass(frozen=True)
class SweepEvent:
    """`number` tells it from all others of the database; the fields of a trial are None where it is of the sweep."""

    name: str
    number: str
    at: datetime
    sweep: str
    state: str
    trial_id: int | None = None
    attempt: int | None = None
    model: str | None = None
    seed: int | None = None
    failure_class: str | None = None
    outcome: str | None = None
    message: str | None = None
    trials: dict[str, int] | None = None  # by state, of an event of the sweep

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it comes in the order of all events."""
        return self.at, self.number


class SweepEvents:
    """Reads the events of one sweep."""

    def __init__(self, engine: Engine, sweep_id: int) -> None:
        self._engine = engine
        self._sweep_id = sweep_id

    def after(self, place: tuple[datetime, str], *, settled_seconds: float = SETTLED_SECONDS) -> list[SweepEvent]:
        """What came after `place`, in order, and is `settled_seconds` old."""
        with self._engine.connect() as connection:
            sweep = self._sweep(connection)
            until = connection.execute(select(database_now(-settled_seconds))).scalar_one()
            found = [_of_attempt(sweep, row) for row in connection.execute(self._attempts(place[0]))]
            found += [_of_trial(sweep, row) for row in connection.execute(self._trials(place[0]))]
            found += self._end(connection, sweep)
        return sorted((each for each in found if place < each.place and each.at <= until), key=lambda each: each.place)

    def stop(self, message: str, *, since: datetime) -> SweepEvent | None:
        """That the driver which began at `since` is leaving trials without an end; None where it leaves none."""
        with self._engine.connect() as connection:
            sweep, counts = self._sweep(connection), self._counts(connection)
            at = connection.execute(select(database_now())).scalar_one()
        if all(state in FINAL_TRIAL_STATES for state in counts):
            return None
        number = f"{_prefix(sweep)}/sweep/{since:%Y%m%dT%H%M%S.%f}/sweep_stopped"
        return SweepEvent("sweep_stopped", number, at, sweep.name, "stopped", message=message, trials=counts)

    def now(self) -> datetime:
        """The database's clock."""
        with self._engine.connect() as connection:
            return connection.execute(select(database_now())).scalar_one()

    def _sweep(self, connection: Connection) -> Row[str, datetime]:
        return connection.execute(select(Sweep.name, Sweep.created_at).where(Sweep.id == self._sweep_id)).one()

    def _attempts(self, since: datetime) -> Select[*tuple[Any, ...]]:
        """Attempts that ended without a result."""
        failed = or_(Attempt.state == AttemptState.LOST, Attempt.failure_class.is_not(None))
        return (
            select(*_OF_TRIAL, *_OF_ATTEMPT, Attempt.ended_at.label("at"), Attempt.number)
            .join(Trial, Trial.id == Attempt.trial_id)
            .where(Attempt.sweep_id == self._sweep_id, Attempt.ended_at >= since, failed)
        )

    def _trials(self, since: datetime) -> Select[*tuple[Any, ...]]:
        """Trials with an end, each with its last attempt, if it had one."""
        last = and_(Attempt.trial_id == Trial.id, Attempt.number == Trial.attempts)
        ended = and_(Trial.state.in_(FINAL_TRIAL_STATES), Trial.finished_at >= since)
        return (
            select(*_OF_TRIAL, *_OF_ATTEMPT, Trial.finished_at.label("at"), Trial.attempts.label("number"))
            .join(SweepTrial, SweepTrial.trial_id == Trial.id)
            .outerjoin(Attempt, last)
            .where(SweepTrial.sweep_id == self._sweep_id, ended)
        )

    def _end(self, connection: Connection, sweep: Row[str, datetime]) -> Iterator[SweepEvent]:
        """The sweep's own end, which comes with its last trial's and may come again, with more trials or budgets."""
        counts = self._counts(connection)
        if not counts or any(state not in FINAL_TRIAL_STATES for state in counts):
            return
        finished = (
            select(Trial.id, Trial.attempts, Trial.finished_at)
            .join(SweepTrial, SweepTrial.trial_id == Trial.id)
            .where(SweepTrial.sweep_id == self._sweep_id, Trial.finished_at.is_not(None))
            .order_by(Trial.finished_at.desc(), Trial.id.desc())
            .limit(1)
        )
        last = connection.execute(finished).first()
        if last is not None:
            number = f"{_prefix(sweep)}/sweep/{last.id}.{last.attempts}/sweep_finished"
            yield SweepEvent("sweep_finished", number, last.finished_at, sweep.name, "finished", trials=counts)

    def _counts(self, connection: Connection) -> dict[str, int]:
        counting = (
            select(Trial.state, func.count().label("trials"))
            .join(SweepTrial, SweepTrial.trial_id == Trial.id)
            .where(SweepTrial.sweep_id == self._sweep_id)
            .group_by(Trial.state)
            .order_by(Trial.state)
        )
        return {row.state: row.trials for row in connection.execute(counting)}


_HAVE_REASONS = (TrialState.FAILED, TrialState.STOPPED)
_OF_TRIAL = (Trial.id, Trial.model, Trial.seed, Trial.state.label("trial_state"))
_OF_ATTEMPT = (Attempt.state.label("attempt_state"), Attempt.failure_class, Attempt.outcome, Attempt.message)


def _prefix(sweep: Row[str, datetime]) -> str:
    """A sweep of the same name in another database was first submitted at another time."""
    return f"{sweep.name}@{sweep.created_at:%Y%m%dT%H%M%S.%f}"


def _of_attempt(sweep: Row[str, datetime], row: Row[Any]) -> SweepEvent:
    return _event("attempt_failed", str(row.attempt_state), sweep, row)


def _of_trial(sweep: Row[str, datetime], row: Row[Any]) -> SweepEvent:
    event = _event(f"trial_{row.trial_state}", row.trial_state, sweep, row)
    # What the attempt before it failed of is not why it was cancelled, or has succeeded.
    return event if row.trial_state in _HAVE_REASONS else replace(event, failure_class=None, message=None)


def _event(name: str, state: str, sweep: Row[str, datetime], row: Row[Any]) -> SweepEvent:
    return SweepEvent(
        name=name,
        number=f"{_prefix(sweep)}/{row.id}/{row.number}/{name}",
        at=row.at,
        sweep=sweep.name,
        state=state,
        trial_id=row.id,
        attempt=row.number or None,
        model=row.model,
        seed=row.seed,
        failure_class=row.failure_class,
        outcome=row.outcome,
        message=row.message,
    )
