"""The worker's side of the store: claiming a trial, and the writes of one living attempt."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Engine, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.database import begin_write
from db.errors import SpecError, StaleAttemptError
from db.records import (
    CheckpointRecord,
    DataSetRecord,
    EvaluationRecord,
    ModelRecord,
    Process,
    Provenance,
    StepRecord,
)
from db.states import AttemptState, Directive, TrialState
from db.tables import Attempt, Base, Checkpoint, DataSet, Evaluation, Model, Step, Sweep, Trial
from db.types import database_now

# Long enough for a busy machine to miss a renewal or two, short enough for a dead host's trial to be taken over.
LEASE_SECONDS = 60.0

_TRIAL_STATE_AFTER = {
    AttemptState.SUCCEEDED: TrialState.SUCCEEDED,
    AttemptState.INTERRUPTED: TrialState.PAUSED,
    AttemptState.FAILED: TrialState.FAILED,
    AttemptState.LOST: TrialState.RECOVERING,
}


def claim(engine: Engine, *, trial_id: int, sweep_id: int, process: Process) -> AttemptStore:
    """Make a new attempt at a trial, unless one is alive.

    Raises StaleAttemptError when another attempt holds the trial: two processes that race for it cannot both win.
    """
    with begin_write(engine) as connection:
        # Locks the trial's row on PostgreSQL; on SQLite the write transaction has the whole database.
        connection.execute(select(Trial.id).where(Trial.id == trial_id).with_for_update()).one()
        holder = connection.execute(
            select(Attempt.number, Attempt.host, Attempt.pid).where(
                Attempt.trial_id == trial_id,
                Attempt.state == AttemptState.RUNNING,
                Attempt.lease_expires_at >= database_now(),
            )
        ).first()
        if holder is not None:
            raise StaleAttemptError(
                f"Trial {trial_id} is held by its attempt {holder.number} "
                f"(process {holder.pid} on {holder.host}); it is not run twice."
            )
        number = (
            1
            + connection.execute(
                select(func.coalesce(func.max(Attempt.number), 0)).where(Attempt.trial_id == trial_id)
            ).scalar_one()
        )
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
                **asdict(process),
            )
        )
        connection.execute(update(Trial).where(Trial.id == trial_id).values(state=TrialState.RUNNING))
    return AttemptStore(engine, trial_id=trial_id, number=number, sweep_id=sweep_id)


class AttemptStore:
    """Writes the results of one attempt. See the package's docstring for the contract."""

    def __init__(self, engine: Engine, *, trial_id: int, number: int, sweep_id: int) -> None:
        self._engine = engine
        self.trial_id = trial_id
        self.number = number
        self.sweep_id = sweep_id

    def renew(self) -> Directive:
        """Say that the attempt is alive; returns what the trial is asked to do."""
        with begin_write(self._engine) as connection:
            return self._prove_alive(connection)

    def describe(self, provenance: Provenance) -> None:
        """Record what the attempt runs on and with."""
        self._update_attempt(**asdict(provenance))

    def log_to(self, uri: str) -> None:
        """Say where the attempt's log is."""
        self._update_attempt(log_uri=uri)

    def enter_phase(self, phase: str, detail: str | None = None) -> None:
        """Say what the attempt is doing now."""
        self._update_attempt(phase=phase, phase_detail=detail)

    def resume_from(self, step: int) -> None:
        """Say which step the attempt continues (0: from the start); later steps of earlier attempts are dead."""
        self._update_attempt(resumed_from_step=step)

    def record_model(self, model: ModelRecord) -> None:
        """Record the weights that the trial starts from."""
        with begin_write(self._engine) as connection:
            self._prove_alive(connection)
            model_id = _known_or_new(connection, Model, asdict(model), key=("name", "weights_sha256"))
            before = connection.scalar(select(Trial.model_id).where(Trial.id == self.trial_id))
            if before not in (None, model_id):
                raise SpecError(
                    f"The weights of model {model.name!r} are not those that trial {self.trial_id} was started from. "
                    "Give the changed model another name, or pin its `revision`."
                )
            connection.execute(update(Trial).where(Trial.id == self.trial_id).values(model_id=model_id))

    def record_data_set(self, data_set: DataSetRecord) -> None:
        """Record the problems that the trial uses."""
        with begin_write(self._engine) as connection:
            self._prove_alive(connection)
            data_set_id = _known_or_new(connection, DataSet, asdict(data_set), key=("name", "sha256"))
            connection.execute(update(Trial).where(Trial.id == self.trial_id).values(data_set_id=data_set_id))

    def record_step(self, step: StepRecord) -> Directive:
        """Record a step; returns what the trial is asked to do next."""
        return self._insert(Step, asdict(step))

    def record_evaluation(self, evaluation: EvaluationRecord) -> None:
        """Record one benchmark's score at one step."""
        self._insert(Evaluation, asdict(evaluation))

    def record_checkpoint(self, checkpoint: CheckpointRecord) -> None:
        """Record a checkpoint that is complete on its storage."""
        self._insert(Checkpoint, asdict(checkpoint))

    def record_deleted_checkpoint(self, uri: str) -> None:
        """Say that a checkpoint's files are gone."""
        with begin_write(self._engine) as connection:
            self._prove_alive(connection)
            connection.execute(
                update(Checkpoint)
                .where(Checkpoint.trial_id == self.trial_id, Checkpoint.uri == uri)
                .values(deleted_at=database_now())
            )

    def end(
        self,
        state: AttemptState,
        *,
        message: str | None = None,
        failure_class: str | None = None,
        traceback: str | None = None,
    ) -> None:
        """End the attempt, and with it the trial, unless it is to be continued later."""
        trial_state = _TRIAL_STATE_AFTER[state]
        is_final = trial_state in (TrialState.SUCCEEDED, TrialState.FAILED)
        with begin_write(self._engine) as connection:
            self._prove_alive(connection)
            connection.execute(
                update(Attempt)
                .where(*self._is_this())
                .values(
                    state=state,
                    ended_at=database_now(),
                    message=message,
                    failure_class=failure_class,
                    traceback=traceback,
                )
            )
            connection.execute(
                update(Trial)
                .where(Trial.id == self.trial_id)
                .values(state=trial_state, finished_at=database_now() if is_final else None)
            )

    def _is_this(self) -> tuple[Any, ...]:
        return (Attempt.trial_id == self.trial_id, Attempt.number == self.number)

    def _prove_alive(self, connection: Connection) -> Directive:
        """Fence and renewal in one statement: it changes a row only if this attempt is the living one."""
        renewed = connection.execute(
            update(Attempt)
            .where(*self._is_this(), Attempt.state == AttemptState.RUNNING)
            .values(lease_expires_at=database_now(LEASE_SECONDS))
        )
        if renewed.rowcount != 1:
            raise StaleAttemptError(
                f"Attempt {self.number} of trial {self.trial_id} was ended or replaced; what it writes is refused."
            )
        drain = connection.scalar(
            select(exists().where(Sweep.id == self.sweep_id, Sweep.drain_requested_at.is_not(None)))
        )
        return Directive.DRAIN if drain else Directive.CONTINUE

    def _update_attempt(self, **values: Any) -> None:
        with begin_write(self._engine) as connection:
            self._prove_alive(connection)
            connection.execute(update(Attempt).where(*self._is_this()).values(**values))

    def _insert(self, table: type[Base], values: dict[str, Any]) -> Directive:
        row = values | {"trial_id": self.trial_id, "attempt": self.number}
        with begin_write(self._engine) as connection:
            directive = self._prove_alive(connection)
            connection.execute(_insert_once(connection, table).values(row))
        return directive


def _insert_once(connection: Connection, table: type[Base]) -> Any:
    """An insert that does nothing when the row is there already: a retried write must not fail."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def _known_or_new(
    connection: Connection,
    table: type[Model] | type[DataSet],
    values: dict[str, Any],
    *,
    key: tuple[str, ...],
) -> int:
    connection.execute(_insert_once(connection, table).values(values))
    matches = [getattr(table, column) == values[column] for column in key]
    return int(connection.execute(select(table.id).where(*matches)).scalar_one())
