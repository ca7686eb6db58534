"""What has happened to the trials of a sweep, in order, each with a name that is the same whoever reads it.

Events are told from rows: attempts that are over, trials that have an end. So nobody has to write them down, and a
driver that takes over finds what the one before it has not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, Select, and_, func, or_, select

from db.states import FINAL_TRIAL_STATES, AttemptState, TrialState
from db.tables import Attempt, Sweep, SweepTrial, Trial
from db.types import database_now


class Place(NamedTuple):
    """Where an event comes in the order of a sweep's events: by its moment, then by what tells it from others then."""

    at: datetime
    number: str


@dataclass(frozen=True)
class SweepEvent:
    """`number` is that of its place. What is of a trial is None in an event of the sweep, which has `trials`."""

    name: str
    at: datetime
    number: str
    sweep: str
    state: str
    trial_id: int | None = None
    attempt: int | None = None
    model: str | None = None
    seed: int | None = None
    failure_class: str | None = None
    outcome: str | None = None
    message: str | None = None
    trials: dict[str, int] | None = None  # by state

    @property
    def place(self) -> Place:
        """Where it comes in the order of the sweep's events."""
        return Place(self.at, self.number)


class SweepEvents:
    """Reads the events of one sweep."""

    def __init__(self, engine: Engine, sweep_id: int) -> None:
        self._engine = engine
        self._sweep_id = sweep_id

    def after(self, place: Place, *, settled_seconds: float) -> list[SweepEvent]:
        """What came after `place`, in order, and is `settled_seconds` old.

        A failure may be taken back a few seconds later, when the trial is tried again, and a row has its moment before
        others see it.
        """
        with self._engine.connect() as connection:
            until = connection.execute(select(database_now(-settled_seconds))).scalar_one()
            sweep = self._name(connection)
            found = [_of_attempt(sweep, row) for row in connection.execute(self._attempts(place.at))]
            found += [_of_trial(sweep, row) for row in connection.execute(self._trials(place.at))]
            found += self._end(connection, sweep)
        return sorted((each for each in found if place < each.place and each.at <= until), key=lambda each: each.place)

    def stop(self, reason: str) -> SweepEvent | None:
        """That its driver leaves trials without an end, now, and why; None where it leaves none."""
        with self._engine.connect() as connection:
            sweep, rows = self._name(connection), self._by_state(connection)
            now = connection.execute(select(database_now())).scalar_one()
        if _have_ended(rows):
            return None
        return SweepEvent("sweep_stopped", now, "sweep_stopped", sweep, "stopped", message=reason, trials=_counts(rows))

    def _name(self, connection: Connection) -> str:
        return connection.execute(select(Sweep.name).where(Sweep.id == self._sweep_id)).scalar_one()

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

    def _end(self, connection: Connection, sweep: str) -> Iterator[SweepEvent]:
        """The sweep's own end, which comes with its last trial's and may come again, with more trials or budgets."""
        rows = self._by_state(connection)
        if rows and _have_ended(rows):
            at = max(row.last_at for row in rows)
            yield SweepEvent("sweep_finished", at, "sweep_finished", sweep, "finished", trials=_counts(rows))

    def _by_state(self, connection: Connection) -> Sequence[Row[*tuple[Any, ...]]]:
        """How many trials stand how, and when the last of them came to its end: in one look, since both change."""
        by_state = (
            select(Trial.state, func.count().label("trials"), func.max(Trial.finished_at).label("last_at"))
            .join(SweepTrial, SweepTrial.trial_id == Trial.id)
            .where(SweepTrial.sweep_id == self._sweep_id)
            .group_by(Trial.state)
            .order_by(Trial.state)
        )
        return connection.execute(by_state).all()


_HAVE_REASONS = (TrialState.FAILED, TrialState.STOPPED)
_OF_TRIAL = (Trial.id, Trial.model, Trial.seed, Trial.state.label("trial_state"))
_OF_ATTEMPT = (Attempt.state.label("attempt_state"), Attempt.failure_class, Attempt.outcome, Attempt.message)


def _have_ended(rows: Sequence[Row[*tuple[Any, ...]]]) -> bool:
    return all(row.state in FINAL_TRIAL_STATES for row in rows)


def _counts(rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[str, int]:
    return {row.state: row.trials for row in rows}


def _of_attempt(sweep: str, row: Row[Any]) -> SweepEvent:
    return _event("attempt_failed", row.attempt_state, sweep, row)


def _of_trial(sweep: str, row: Row[Any]) -> SweepEvent:
    event = _event(f"trial_{row.trial_state}", row.trial_state, sweep, row)
    # What the attempt before it failed of is not why it was cancelled, or has succeeded.
    return event if row.trial_state in _HAVE_REASONS else replace(event, failure_class=None, outcome=None, message=None)


def _event(name: str, state: str, sweep: str, row: Row[Any]) -> SweepEvent:
    return SweepEvent(
        name=name,
        at=row.at,
        number=f"{row.id}/{row.number}/{name}",
        sweep=sweep,
        state=state,
        trial_id=row.id,
        attempt=row.number or None,
        model=row.model,
        seed=row.seed,
        failure_class=row.failure_class,
        outcome=row.outcome,
        message=row.message,
    )
