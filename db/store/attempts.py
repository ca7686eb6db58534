"""The worker's side of the store: the writes of one living attempt.

Everything an attempt has to say is a record. `record` writes any number of them in one transaction, in order, after
proving that the attempt is the trial's living one; the other methods are its plain words. So what cannot be written
now can be kept and written later: see `db.store.spool`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from db.connection.engines import begin_write
from db.records import (
    AttemptEnd,
    AttemptRecord,
    CheckpointRecord,
    DataSetRecord,
    DeletedCheckpoint,
    EvaluationRecord,
    LogPlace,
    ModelRecord,
    Phase,
    Process,
    Provenance,
    ResumePoint,
    StepRecord,
)
from db.states import AttemptState, Directive
from db.store.leases import has_ended, new_attempt, renew_lease
from db.store.writing import write_records


def claim(engine: Engine, *, trial_id: int, sweep_id: int, process: Process) -> AttemptStore:
    """Make a new attempt at a trial, unless one is alive.

    Raises StaleAttemptError when another attempt holds the trial: two processes that race for it cannot both win.
    """
    with begin_write(engine) as connection:
        number = new_attempt(connection, trial_id=trial_id, sweep_id=sweep_id, process=process)
    return AttemptStore(engine, trial_id=trial_id, number=number, sweep_id=sweep_id)


class AttemptStore:
    """Writes the results of one attempt. See the package's docstring for the contract."""

    def __init__(self, engine: Engine, *, trial_id: int, number: int, sweep_id: int) -> None:
        self._engine = engine
        self.trial_id = trial_id
        self.number = number
        self.sweep_id = sweep_id

    @property
    def is_away(self) -> bool:
        """Whether the database does not have everything yet that was recorded: never so here."""
        return False

    def record(self, *records: AttemptRecord) -> Directive:
        """Write records in one transaction, in order; returns what the trial is asked to do next."""
        with begin_write(self._engine) as connection:
            if self._ended_before(connection, records):
                return Directive.CONTINUE
            directive = renew_lease(connection, trial_id=self.trial_id, number=self.number, sweep_id=self.sweep_id)
            write_records(connection, trial_id=self.trial_id, number=self.number, records=records)
        return directive

    def _ended_before(self, connection: Connection, records: Sequence[AttemptRecord]) -> bool:
        """Whether the last record is an end that is written already: the answer to its first writing was lost."""
        last = records[-1] if records else None
        return isinstance(last, AttemptEnd) and has_ended(
            connection, trial_id=self.trial_id, number=self.number, state=last.state
        )

    def renew(self) -> Directive:
        """Say that the attempt is alive; returns what the trial is asked to do."""
        return self.record()

    def describe(self, provenance: Provenance) -> None:
        """Record what the attempt runs on and with."""
        self.record(provenance)

    def log_to(self, uri: str) -> None:
        """Say where the attempt's log is."""
        self.record(LogPlace(uri))

    def enter_phase(self, phase: str, detail: str | None = None) -> None:
        """Say what the attempt is doing now."""
        self.record(Phase(phase, detail))

    def resume_from(self, step: int) -> None:
        """Say which step the attempt continues (0: from the start); later steps of earlier attempts are dead."""
        self.record(ResumePoint(step))

    def record_model(self, model: ModelRecord) -> None:
        """Record the weights that the trial starts from. SpecError if it was started from others before."""
        self.record(model)

    def record_data_set(self, data_set: DataSetRecord) -> None:
        """Record the problems that the trial uses, or is scored on."""
        self.record(data_set)

    def record_step(self, step: StepRecord) -> Directive:
        """Record a step; returns what the trial is asked to do next."""
        return self.record(step)

    def record_evaluation(self, evaluation: EvaluationRecord) -> None:
        """Record one benchmark's score at one step."""
        self.record(evaluation)

    def record_checkpoint(self, checkpoint: CheckpointRecord) -> None:
        """Record a checkpoint that is complete on its storage."""
        self.record(checkpoint)

    def record_deleted_checkpoint(self, uri: str, *, step: int) -> None:
        """Say that the files of a checkpoint before `step`, the newest one, are gone."""
        self.record(DeletedCheckpoint(uri, step))

    def end(
        self,
        state: AttemptState,
        *,
        message: str | None = None,
        failure_class: str | None = None,
        outcome: str | None = None,
        traceback: str | None = None,
    ) -> None:
        """End the attempt, and with it the trial, unless it is to be continued later."""
        self.record(AttemptEnd(state, message, failure_class, outcome, traceback))
