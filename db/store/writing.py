"""How each kind of record becomes rows. Every writer takes the transaction, the attempt's key and a batch of records.

Rows are keyed by trial, attempt and step (and benchmark, or problem), and a row that is there already is left alone:
writing a batch again, whole or in part, is the same as writing it once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.errors import SpecError
from db.records import (
    AttemptEnd,
    CheckpointRecord,
    DataSetRecord,
    DeletedCheckpoint,
    EvaluationRecord,
    LogPlace,
    ModelRecord,
    Phase,
    Provenance,
    ResumePoint,
    StepRecord,
)
from db.states import AttemptState, TrialState
from db.store import lineage
from db.tables import (
    Attempt,
    Base,
    Checkpoint,
    DataSet,
    Evaluation,
    EvaluationItem,
    Model,
    Problem,
    Step,
    Trial,
)
from db.types import database_now

_TRIAL_STATE_AFTER = {
    AttemptState.SUCCEEDED: TrialState.SUCCEEDED,
    AttemptState.INTERRUPTED: TrialState.PAUSED,
    AttemptState.FAILED: TrialState.FAILED,
    AttemptState.LOST: TrialState.RECOVERING,
}


def insert_once(connection: Connection, table: type[Base]) -> Any:
    """An insert that does nothing when the row is there already: a retried write must not fail."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def columns(record: Any) -> dict[str, Any]:
    """A record's fields by column. What is not a number is missing: PostgreSQL would keep NaN, SQLite would not."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(record).items()
    }


def write_attempt_facts(
    connection: Connection, trial_id: int, number: int, records: Sequence[Provenance | LogPlace | Phase]
) -> None:
    for record in records:
        _update_attempt(connection, trial_id, number, **asdict(record))


def write_resume_points(connection: Connection, trial_id: int, number: int, records: Sequence[ResumePoint]) -> None:
    for record in records:
        lineage.continue_from(connection, trial_id=trial_id, number=number, step=record.step)


def write_models(connection: Connection, trial_id: int, _number: int, records: Sequence[ModelRecord]) -> None:
    for record in records:
        model_id = _known_or_new(connection, Model, asdict(record), key=("name", "weights_sha256"))
        before = connection.scalar(select(Trial.model_id).where(Trial.id == trial_id))
        if before not in (None, model_id):
            raise SpecError(
                f"The weights of model {record.name!r} are not those that trial {trial_id} was started from. "
                "Give the changed model another name, or pin its `revision`."
            )
        connection.execute(update(Trial).where(Trial.id == trial_id).values(model_id=model_id))


def write_data_sets(connection: Connection, trial_id: int, _number: int, records: Sequence[DataSetRecord]) -> None:
    """The first data set is what the trial is trained on; the others are what it is scored on."""
    for record in records:
        values = asdict(record)
        problems = values.pop("problem_sha256s")
        data_set_id = _known_or_new(connection, DataSet, values, key=("name", "sha256"))
        if (
            problems
            and connection.scalar(select(Problem.id).where(Problem.data_set_id == data_set_id).limit(1)) is None
        ):
            rows = [{"data_set_id": data_set_id, "position": i, "sha256": each} for i, each in enumerate(problems)]
            connection.execute(insert_once(connection, Problem), rows)
        connection.execute(
            update(Trial).where(Trial.id == trial_id, Trial.data_set_id.is_(None)).values(data_set_id=data_set_id)
        )


def write_steps(connection: Connection, trial_id: int, number: int, records: Sequence[StepRecord]) -> None:
    rows = [columns(record) | {"trial_id": trial_id, "attempt": number} for record in records]
    connection.execute(insert_once(connection, Step), rows)
    lineage.advance(connection, trial_id, records)


def write_evaluations(connection: Connection, trial_id: int, number: int, records: Sequence[EvaluationRecord]) -> None:
    for record in records:
        row = columns(record) | {"trial_id": trial_id, "attempt": number}
        data_set, results = row.pop("data_set_sha256"), row.pop("results")
        problem_ids = _problem_ids(connection, data_set) if results else {}
        if data_set is not None:
            row["data_set_id"] = connection.scalar(select(func.min(DataSet.id)).where(DataSet.sha256 == data_set))
        evaluation_id = connection.scalar(insert_once(connection, Evaluation).values(row).returning(Evaluation.id))
        if evaluation_id is not None and results:
            items = [
                each | {"evaluation_id": evaluation_id, "problem_id": problem_ids[each.pop("problem")]}
                for each in results
            ]
            connection.execute(insert_once(connection, EvaluationItem), items)
    lineage.keep_scores(connection, trial_id, records)


def write_checkpoints(connection: Connection, trial_id: int, number: int, records: Sequence[CheckpointRecord]) -> None:
    rows = [columns(record) | {"trial_id": trial_id, "attempt": number} for record in records]
    connection.execute(insert_once(connection, Checkpoint), rows)


def write_deletions(connection: Connection, trial_id: int, _number: int, records: Sequence[DeletedCheckpoint]) -> None:
    gone = [record.uri for record in records]
    connection.execute(
        update(Checkpoint)
        .where(Checkpoint.trial_id == trial_id, Checkpoint.uri.in_(gone), Checkpoint.deleted_at.is_(None))
        .values(deleted_at=database_now())
    )


def write_end(connection: Connection, trial_id: int, number: int, records: Sequence[AttemptEnd]) -> None:
    last = records[-1]
    trial_state = _TRIAL_STATE_AFTER[last.state]
    is_final = trial_state in (TrialState.SUCCEEDED, TrialState.FAILED)
    _update_attempt(connection, trial_id, number, **asdict(last), ended_at=database_now())
    connection.execute(
        update(Trial)
        .where(Trial.id == trial_id)
        .values(state=trial_state, finished_at=database_now() if is_final else None)
    )


WRITERS: dict[type, Callable[..., None]] = {
    Provenance: write_attempt_facts,
    LogPlace: write_attempt_facts,
    Phase: write_attempt_facts,
    ResumePoint: write_resume_points,
    ModelRecord: write_models,
    DataSetRecord: write_data_sets,
    StepRecord: write_steps,
    EvaluationRecord: write_evaluations,
    CheckpointRecord: write_checkpoints,
    DeletedCheckpoint: write_deletions,
    AttemptEnd: write_end,
}


def _update_attempt(connection: Connection, trial_id: int, number: int, **values: Any) -> None:
    connection.execute(update(Attempt).where(Attempt.trial_id == trial_id, Attempt.number == number).values(**values))


def _problem_ids(connection: Connection, data_set_sha256: str) -> dict[int, int]:
    """Place in the data set -> number of the problem."""
    statement = (
        select(Problem.position, Problem.id)
        .join(DataSet, DataSet.id == Problem.data_set_id)
        .where(DataSet.sha256 == data_set_sha256)
    )
    return {row.position: row.id for row in connection.execute(statement)}


def _known_or_new(
    connection: Connection,
    table: type[Model] | type[DataSet],
    values: dict[str, Any],
    *,
    key: tuple[str, ...],
) -> int:
    connection.execute(insert_once(connection, table).values(values))
    matches = [getattr(table, column) == values[column] for column in key]
    return int(connection.execute(select(table.id).where(*matches)).scalar_one())
