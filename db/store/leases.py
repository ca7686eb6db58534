"""Who may run a trial: claiming it, staying its living attempt, and losing it.

An attempt's number is its fencing token: a claim gives the next one, and whatever a lower one still writes is
refused. Between two claims stands a lease on the database's clock, which the living attempt keeps renewing.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, insert, or_, select, update

from db.errors import StaleAttemptError
from db.records import Process
from db.states import AttemptState, Directive, TrialState
from db.store.values import stored
from db.tables import Attempt, Sweep, Trial
from db.types import database_now, leases_end_before

# Long enough for a busy machine to miss a renewal or two, short enough for a dead host's trial to be taken over.
LEASE_SECONDS = 60.0
# Enough for every trial that has waited for a server to come back to find it.
GRACE_SECONDS = 15.0

# Built once: every write of every trial begins with it, and on SQLite all others wait meanwhile.
_RENEWAL = (
    update(Attempt)
    .where(
        Attempt.trial_id == bindparam("of_trial"),
        Attempt.number == bindparam("of_number"),
        Attempt.state == AttemptState.RUNNING,
    )
    .values(lease_expires_at=database_now(LEASE_SECONDS))
    .returning(
        or_(
            exists().where(Sweep.id == bindparam("of_sweep"), Sweep.drain_requested_at.is_not(None)),
            exists().where(Trial.id == bindparam("of_trial"), Trial.hold.is_not(None)),
        ).label("drain")
    )
)


def has_run_out() -> ColumnElement[bool]:
    """Whether an attempt's lease has ended."""
    return Attempt.lease_expires_at < leases_end_before(GRACE_SECONDS)


def may_be_alive() -> ColumnElement[bool]:
    """Whether an attempt may still be running somewhere."""
    return and_(Attempt.state == AttemptState.RUNNING, ~has_run_out())


def new_attempt(connection: Connection, *, trial_id: int, sweep_id: int, process: Process) -> int:
    """Number of a new attempt at a trial, above all that it has had. StaleAttemptError when another one holds it."""
    _refuse_held(connection, trial_id)
    number = 1 + _lock(connection, trial_id)
    # Of two that saw the trial free, the second now sees the first.
    _refuse_held(connection, trial_id)
    connection.execute(
        update(Attempt)
        .where(Attempt.trial_id == trial_id, Attempt.state == AttemptState.RUNNING)
        .values(state=AttemptState.LOST, ended_at=database_now(), message="Its lease ran out.")
    )
    connection.execute(
        insert(Attempt).values(
            trial_id=trial_id,
            number=number,
            sweep_id=sweep_id,
            lease_expires_at=database_now(LEASE_SECONDS),
            **stored(Attempt, vars(process)),
        )
    )
    connection.execute(update(Trial).where(Trial.id == trial_id).values(state=TrialState.RUNNING, attempts=number))
    return number


def has_ended(connection: Connection, *, trial_id: int, number: int, state: AttemptState) -> bool:
    """Whether the attempt is over, and ended like this."""
    this = select(exists().where(Attempt.trial_id == trial_id, Attempt.number == number, Attempt.state == state))
    return bool(connection.scalar(this))


def renew_lease(connection: Connection, *, trial_id: int, number: int, sweep_id: int) -> Directive:
    """Fence and renewal in one statement: it changes a row only if this attempt is the living one.

    Raises StaleAttemptError otherwise; returns what the trial is asked to do.
    """
    this = {"of_trial": trial_id, "of_number": number, "of_sweep": sweep_id}
    renewed = connection.execute(_RENEWAL, this).first()
    if renewed is None:
        raise StaleAttemptError(
            f"Attempt {number} of trial {trial_id} was ended or replaced; what it writes is refused."
        )
    return Directive.DRAIN if renewed.drain else Directive.CONTINUE


def _lock(connection: Connection, trial_id: int) -> int:
    """Let nobody else claim the trial until the transaction ends; returns the highest number of its attempts.

    Every write locks the attempt before its trial, and so does this, or the late write of an attempt whose lease ran
    out and its successor would wait for each other. On SQLite a write transaction has the whole database.
    """
    running = select(Attempt.id).where(Attempt.trial_id == trial_id, Attempt.state == AttemptState.RUNNING)
    connection.execute(running.with_for_update(key_share=True)).all()
    trial = select(Trial.attempts).where(Trial.id == trial_id)
    kept = connection.execute(trial.with_for_update(key_share=True)).scalar_one()
    # A statement of its own: one that waited for the lock would not see the rows of whom it waited for.
    newest = connection.scalar(select(func.max(Attempt.number)).where(Attempt.trial_id == trial_id))
    return max(kept, newest or 0)


def _refuse_held(connection: Connection, trial_id: int) -> None:
    holder = connection.execute(
        select(Attempt.number, Attempt.host, Attempt.pid).where(Attempt.trial_id == trial_id, may_be_alive())
    ).first()
    if holder is not None:
        raise StaleAttemptError(
            f"Trial {trial_id} is held by its attempt {holder.number} "
            f"(process {holder.pid} on {holder.host}); it is not run twice."
        )
