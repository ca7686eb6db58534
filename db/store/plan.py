"""The driver's side of the store: what waits for a place, how trials stand, which attempts are lost or given up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, exists, select, update

from db.connection.engines import begin_write
from db.records import PlannedTrial, Process, SweepRecord
from db.states import FINAL_TRIAL_STATES, AttemptState, TrialState
from db.store.leases import has_run_out, may_be_alive
from db.store.locking import chunks, update_each
from db.store.registering import Registration, register
from db.store.settling import settle, state_after
from db.tables import Attempt, Sweep, SweepTrial, Trial
from db.types import database_now
from db.views import trial_status


@dataclass(frozen=True)
class Waiting:
    """A trial without an end: whether an attempt runs, what a person asked of it, and how many it has had."""

    trial_id: int
    state: str
    hold: str | None
    priority: int
    attempts: int

    @property
    def may_start(self) -> bool:
        """Whether nothing but a place is missing."""
        return self.hold is None and self.state != TrialState.RUNNING


@dataclass(frozen=True)
class EndedAttempt:
    """An attempt that is over. `resumed_from_step` is None where it ended before it knew."""

    number: int
    state: str
    failure_class: str | None
    message: str | None
    node_id: str | None
    resumed_from_step: int | None
    seconds_ago: float


class PlanStore:
    """Writes what is to be run. See the package's docstring for the contract."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(self, sweep: SweepRecord, trials: Sequence[PlannedTrial]) -> Registration:
        """Record a sweep and its trials: see `db.store.registering`."""
        return register(self._engine, sweep, trials)

    def queue(self, trial_ids: Sequence[int], *, sweep_id: int) -> None:
        """Mark trials as waiting for a place to run, for a sweep.

        Left alone are those that run, those that a person holds, and those that have succeeded and spent all that the
        sweep asks for: another driver may have finished them since they were looked at.
        """
        status = trial_status.c
        wants_more = exists().where(
            status.sweep_id == sweep_id, status.trial_id == Trial.id, status.spent < status.budget_last
        )
        is_done = (Trial.state == TrialState.SUCCEEDED) & ~wants_more
        to_run = (Trial.state != TrialState.RUNNING) & Trial.hold.is_(None) & ~is_done
        with begin_write(self._engine) as connection:
            # Who submits again what has failed has it tried again: what failed before counts no more.
            failed = update(Trial).where(to_run, Trial.state == TrialState.FAILED)
            update_each(connection, trial_ids, failed.values(retried_after=Trial.attempts))
            queued = update(Trial).where(to_run).values(state=TrialState.QUEUED, finished_at=None)
            update_each(connection, trial_ids, queued)

    def request_drain(self, sweep_id: int) -> None:
        """Ask the sweep's running trials to save a checkpoint at the end of their step and stop."""
        self._set_drain(sweep_id, requested=True)

    def clear_drain(self, sweep_id: int) -> None:
        """Let trials of the sweep run again."""
        self._set_drain(sweep_id, requested=False)

    def is_draining(self, sweep_id: int) -> bool:
        """Whether the sweep was asked to stop."""
        with self._engine.connect() as connection:
            return connection.scalar(select(Sweep.drain_requested_at).where(Sweep.id == sweep_id)) is not None

    def is_held(self, trial_id: int) -> bool:
        """Whether an attempt that may be alive holds the trial."""
        return self._any(Attempt.trial_id == trial_id)

    def has_living_attempts(self, sweep_id: int) -> bool:
        """Whether an attempt that this sweep launched may be alive."""
        return self._any(Attempt.sweep_id == sweep_id)

    def has_waiting(self, sweep_id: int) -> bool:
        """Whether a trial of the sweep waits for a place."""
        waits = Trial.state.in_((TrialState.QUEUED, TrialState.RECOVERING)) & Trial.hold.is_(None)
        found = exists().where(SweepTrial.trial_id == Trial.id, SweepTrial.sweep_id == sweep_id, waits)
        with self._engine.connect() as connection:
            return bool(connection.scalar(select(found)))

    def standing(self, trial_ids: Sequence[int]) -> list[Waiting]:
        """How these trials stand, in their order; what has an end is left out."""
        open_trials = select(Trial.id, Trial.state, Trial.hold, Trial.priority, Trial.attempts).where(
            Trial.state.not_in(FINAL_TRIAL_STATES)
        )
        found: dict[int, Waiting] = {}
        with self._engine.connect() as connection:
            for chunk in chunks(trial_ids):
                for row in connection.execute(open_trials.where(Trial.id.in_(chunk))):
                    found[row.id] = Waiting(*row)
        return [found[trial_id] for trial_id in trial_ids if trial_id in found]

    def ended_attempts(self, trial_id: int) -> list[EndedAttempt]:
        """The attempts at a trial that are over, in order, since a person last had it tried again."""
        columns = (
            Attempt.number,
            Attempt.state,
            Attempt.failure_class,
            Attempt.message,
            Attempt.node_id,
            Attempt.resumed_from_step,
        )
        ended = (
            select(*columns, Attempt.ended_at, database_now().label("now"))
            .join(Trial, Trial.id == Attempt.trial_id)
            .where(Trial.id == trial_id, Attempt.number > Trial.retried_after, Attempt.state != AttemptState.RUNNING)
            .order_by(Attempt.number)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(ended).all()
        return [EndedAttempt(*row[:-2], (row.now - (row.ended_at or row.now)).total_seconds()) for row in rows]

    def recover(self, trial_id: int) -> None:
        """Say that a trial whose attempt has failed is tried again without being asked to."""
        with begin_write(self._engine) as connection:
            failed = update(Trial).where(Trial.state == TrialState.FAILED)
            update_each(connection, [trial_id], failed.values(state=TrialState.RECOVERING, finished_at=None))

    def unqueue(self, trial_ids: Sequence[int]) -> None:
        """Say that nobody waits for a place any more: trials that got none are only planned again."""
        with begin_write(self._engine) as connection:
            waiting = update(Trial).where(Trial.state == TrialState.QUEUED)
            update_each(connection, trial_ids, waiting.values(state=TrialState.PLANNED))

    def declare_lost(self, sweep_id: int, *, is_dead: Callable[[Process], bool]) -> list[int]:
        """End attempts that will never be heard from again; returns their trials.

        An attempt is lost when its lease ran out on the database's clock, or when `is_dead` knows that its
        process is gone. Its trial goes back to `recovering`.
        """
        with begin_write(self._engine) as connection:
            rows = connection.execute(
                select(
                    Attempt.id,
                    Attempt.trial_id,
                    Attempt.host,
                    Attempt.pid,
                    Attempt.process_started_at,
                    has_run_out().label("expired"),
                )
                .join(SweepTrial, SweepTrial.trial_id == Attempt.trial_id)
                .where(SweepTrial.sweep_id == sweep_id, Attempt.state == AttemptState.RUNNING)
                # Two that declare attempts of overlapping sweeps lost at once must not wait for each other.
                .order_by(Attempt.id)
            ).all()
            dead = [row for row in rows if row.expired or is_dead(Process(row.host, row.pid, row.process_started_at))]
            return [row.trial_id for row in dead if _end_as_lost(connection, row.id, row.trial_id)]

    def attempts_made(self, trial_id: int) -> int:
        """How many attempts a trial has had, the one that runs included."""
        with self._engine.connect() as connection:
            return connection.execute(select(Trial.attempts).where(Trial.id == trial_id)).scalar_one()

    def explain_loss(self, trial_id: int, *, failure_class: str, message: str) -> None:
        """Say why the last attempt at a trial was lost, where that was found out; a lost one stays lost."""
        last = select(Trial.attempts).where(Trial.id == trial_id).scalar_subquery()
        with begin_write(self._engine) as connection:
            connection.execute(
                update(Attempt)
                .where(
                    Attempt.trial_id == trial_id,
                    Attempt.number == last,
                    Attempt.state == AttemptState.LOST,
                    Attempt.failure_class.is_(None),
                )
                .values(failure_class=failure_class, message=message)
            )

    def fail(self, trial_id: int, *, message: str) -> None:
        """Give up a trial, if its last attempt has not; the message goes to that one."""
        failed = select(Trial.attempts).where(Trial.id == trial_id, Trial.state == TrialState.FAILED)
        with begin_write(self._engine) as connection:
            connection.execute(
                update(Trial)
                .where(Trial.id == trial_id, Trial.state.not_in((*FINAL_TRIAL_STATES, TrialState.RUNNING)))
                .values(state=TrialState.FAILED, finished_at=database_now())
            )
            connection.execute(
                update(Attempt)
                .where(Attempt.trial_id == trial_id, Attempt.number == failed.scalar_subquery())
                .values(message=message)
            )

    def _any(self, whose: ColumnElement[bool]) -> bool:
        with self._engine.connect() as connection:
            return bool(connection.scalar(select(exists().where(whose, may_be_alive()))))

    def _set_drain(self, sweep_id: int, *, requested: bool) -> None:
        with begin_write(self._engine) as connection:
            connection.execute(
                update(Sweep)
                .where(Sweep.id == sweep_id)
                .values(drain_requested_at=database_now() if requested else None)
            )


def _end_as_lost(connection: Connection, attempt_id: int, trial_id: int) -> bool:
    """Whether it was lost: it may have ended, or been replaced, since it was looked at."""
    ended = connection.execute(
        update(Attempt)
        .where(Attempt.id == attempt_id, Attempt.state == AttemptState.RUNNING)
        .values(state=AttemptState.LOST, ended_at=database_now(), message="No sign of life; see its log.")
    )
    if ended.rowcount != 1:
        return False
    settle(connection, trial_id, state_after(AttemptState.LOST))
    return True
