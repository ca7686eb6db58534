"""How each kind of record becomes rows. Every writer takes the transaction, the attempt's key and a batch of records.

Rows are keyed by trial, attempt and step (and benchmark, or problem), and a row that is there already is left alone:
writing a batch again, whole or in part, is the same as writing it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import cache
from itertools import groupby, zip_longest
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.errors import SpecError
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
    Provenance,
    ResumePoint,
    StepRecord,
)
from db.store import lineage
from db.store.bulk import clock, insert_many
from db.store.settling import settle, state_after
from db.store.values import number_of, stored
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

# From so many on, looking up which are new and sending these together costs less than an INSERT each.
_MANY_STEPS = 10
_STEP_COLUMNS = [each.name for each in fields(StepRecord)]
_step_values = attrgetter(*_STEP_COLUMNS)


def insert_once(connection: Connection, table: type[Base]) -> Any:
    """An insert that does nothing when the row is there already: a retried write must not fail."""
    return _insert_once(table, connection.dialect.name)


@cache
def _insert_once(table: type[Base], dialect_name: str) -> Any:
    dialect = postgresql if dialect_name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def write_attempt_facts(
    connection: Connection, trial_id: int, number: int, records: Sequence[Provenance | LogPlace | Phase]
) -> None:
    for record in records:
        _update_attempt(connection, trial_id, number, **vars(record))


def write_resume_points(connection: Connection, trial_id: int, number: int, records: Sequence[ResumePoint]) -> None:
    for record in records:
        lineage.continue_from(connection, trial_id=trial_id, number=number, step=record.step)


def write_models(connection: Connection, trial_id: int, _number: int, records: Sequence[ModelRecord]) -> None:
    for record in records:
        model_id = _known_or_new(connection, Model, vars(record), key=("name", "weights_sha256"))
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
        values = dict(vars(record))
        problems, sources = values.pop("problem_sha256s"), values.pop("problem_sources")
        data_set_id = _known_or_new(connection, DataSet, values, key=("name", "sha256"))
        if (
            problems
            and connection.scalar(select(Problem.id).where(Problem.data_set_id == data_set_id).limit(1)) is None
        ):
            of_each = zip_longest(problems, sources)
            rows = [
                {"data_set_id": data_set_id, "position": place, "sha256": sha256, "data_source": source}
                for place, (sha256, source) in enumerate(of_each)
            ]
            connection.execute(insert_once(connection, Problem), rows)
        connection.execute(
            update(Trial).where(Trial.id == trial_id, Trial.data_set_id.is_(None)).values(data_set_id=data_set_id)
        )


def write_steps(connection: Connection, trial_id: int, number: int, records: Sequence[StepRecord]) -> None:
    if len(records) < _MANY_STEPS:
        key = {"trial_id": trial_id, "attempt": number}
        connection.execute(insert_once(connection, Step), [stored(Step, vars(record)) | key for record in records])
    else:
        _write_many_steps(connection, trial_id, number, records)
    lineage.advance(connection, trial_id, records)


def write_evaluations(connection: Connection, trial_id: int, number: int, records: Sequence[EvaluationRecord]) -> None:
    for record in records:
        given = {name: value for name, value in vars(record).items() if name != "results"}
        row = stored(Evaluation, given) | {"trial_id": trial_id, "attempt": number}
        data_set = row.pop("data_set_sha256")
        row["data_set_id"] = None if data_set is None else _data_set_id(connection, data_set)
        evaluation_id = connection.scalar(insert_once(connection, Evaluation).values(row).returning(Evaluation.id))
        if evaluation_id is None:
            continue  # it is there already
        if record.results:
            _write_results(connection, evaluation_id, row["data_set_id"], record)
        lineage.keep_score(connection, trial_id, evaluation_id, record)


def write_checkpoints(connection: Connection, trial_id: int, number: int, records: Sequence[CheckpointRecord]) -> None:
    key = {"trial_id": trial_id, "attempt": number}
    rows = [stored(Checkpoint, vars(record)) | key for record in records]
    connection.execute(insert_once(connection, Checkpoint), rows)


def write_deletions(connection: Connection, trial_id: int, number: int, records: Sequence[DeletedCheckpoint]) -> None:
    """Only what can have been there before: a later checkpoint at the same place outlives a repetition of this."""
    own = Checkpoint.attempt == number
    for record in records:
        gone = stored(Checkpoint, vars(record))
        connection.execute(
            update(Checkpoint)
            .where(Checkpoint.trial_id == trial_id, Checkpoint.uri == gone["uri"], Checkpoint.deleted_at.is_(None))
            .where(or_(Checkpoint.attempt < number, own & (Checkpoint.step < gone["step"])))
            .values(deleted_at=database_now())
        )


def write_end(connection: Connection, trial_id: int, number: int, records: Sequence[AttemptEnd]) -> None:
    last = records[-1]
    _update_attempt(connection, trial_id, number, **vars(last), ended_at=database_now())
    settle(connection, trial_id, state_after(last.state))


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


def write_records(connection: Connection, *, trial_id: int, number: int, records: Sequence[AttemptRecord]) -> None:
    """Write an attempt's records, in order. Whether the attempt may still write is for the caller to know."""
    for kind, batch in groupby(records, key=type):
        WRITERS[kind](connection, trial_id, number, list(batch))


def _write_many_steps(connection: Connection, trial_id: int, number: int, records: Sequence[StepRecord]) -> None:
    """Write what an attempt has to catch up with. Nobody else writes its steps meanwhile: the attempt is locked."""
    first_of_each: dict[int, StepRecord] = {}
    for record in records:
        first_of_each.setdefault(record.step, record)
    known = select(Step.step).where(
        Step.trial_id == trial_id, Step.attempt == number, Step.step.between(min(first_of_each), max(first_of_each))
    )
    new = first_of_each.keys() - set(connection.scalars(known))
    fixed = (trial_id, number, clock(connection))
    rows = [(*fixed, *(number_of(value) for value in _step_values(first_of_each[step]))) for step in sorted(new)]
    insert_many(connection, Step, ("trial_id", "attempt", "recorded_at", *_STEP_COLUMNS), rows)


def _update_attempt(connection: Connection, trial_id: int, number: int, **values: Any) -> None:
    this = update(Attempt).where(Attempt.trial_id == trial_id, Attempt.number == number)
    connection.execute(this.values(**stored(Attempt, values)))


def _data_set_id(connection: Connection, sha256: str) -> int | None:
    """The data set of that content, under whichever name; one whose problems are known, if there is one."""
    knows_problems = exists().where(Problem.data_set_id == DataSet.id)
    statement = select(DataSet.id).where(DataSet.sha256 == sha256).order_by(knows_problems.desc(), DataSet.id)
    return connection.scalar(statement.limit(1))


def _write_results(
    connection: Connection, evaluation_id: int, data_set_id: int | None, evaluation: EvaluationRecord
) -> None:
    known = select(Problem.position, Problem.id).where(Problem.data_set_id == data_set_id)
    problem_ids = {row.position: row.id for row in connection.execute(known)}
    unknown = [result.problem for result in evaluation.results if result.problem not in problem_ids]
    if unknown:
        raise SpecError(
            f"The score on {evaluation.benchmark!r} at step {evaluation.step} comes with a result for problem "
            f"{unknown[0]}, but of the data set {evaluation.data_set_sha256} {len(problem_ids)} problems are recorded. "
            "Record the data set with its problems first."
        )
    rows = []
    for result in evaluation.results:
        row = stored(EvaluationItem, vars(result)) | {"evaluation_id": evaluation_id}
        rows.append(row | {"problem_id": problem_ids[row.pop("problem")]})
    connection.execute(insert_once(connection, EvaluationItem), rows)


def _known_or_new(
    connection: Connection,
    table: type[Model] | type[DataSet],
    values: dict[str, Any],
    *,
    key: tuple[str, ...],
) -> int:
    row = stored(table, values)
    connection.execute(insert_once(connection, table).values(row))
    matches = [getattr(table, column) == row[column] for column in key]
    return int(connection.execute(select(table.id).where(*matches)).scalar_one())
