"""Every check of the tables refuses what it is there for, on both databases, and lets its neighbours in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Engine, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError

from db.connection.engines import begin_write
from db.tables import (
    Attempt,
    Base,
    Checkpoint,
    DataSet,
    Evaluation,
    EvaluationItem,
    Fit,
    ImportFile,
    Model,
    Problem,
    Step,
    SweepTrial,
    Trial,
)
from db.upkeep.revisions import HEAD_REVISION
from tests.contract.small_study import FIT, fill
from tests.records import HERE


@dataclass(frozen=True)
class Case:
    """Values that a check refuses, and values next to them that it admits, in any row of the table."""

    refused: tuple[dict[str, Any], ...]
    admitted: tuple[dict[str, Any], ...]


def _each(column: str, *values: object) -> tuple[dict[str, Any], ...]:
    return tuple({column: value} for value in values)


CASES: dict[tuple[type[Base], str], Case] = {
    (Trial, "state_known"): Case(_each("state", "done", "RUNNING", ""), _each("state", "cancelled", "stopped")),
    (Trial, "origin_known"): Case(_each("origin", "mlflow"), _each("origin", "csv", "tensorboard")),
    (Trial, "native_is_complete"): Case(
        tuple(
            {"origin": "native", column: None}
            for column in ("data", "algorithm", "seed", "group_size", "prompts_per_step", "updates_per_step",
                           "learning_rate", "kl_coefficient")
        ),
        ({"origin": "csv", "data": None, "seed": None, "learning_rate": None}, {"origin": "native", "tau": None}),
    ),
    (Trial, "counts_positive"): Case(
        _each("group_size", 0) + _each("prompts_per_step", -1) + _each("updates_per_step", 0), _each("group_size", 1)
    ),
    (Trial, "hold_known"): Case(_each("hold", "stop", ""), _each("hold", "pause", "cancel", None)),
    (Trial, "retried_after_not_negative"): Case(_each("retried_after", -1), _each("retried_after", 0, 3)),
    (Trial, "tau_positive"): Case(_each("tau", 0.0, -1.0), _each("tau", 0.5, None)),
    (Trial, "progress_not_negative"): Case(_each("attempts", -1) + _each("reached_step", -1), _each("reached_step", 0)),
    (Model, "sizes_positive"): Case(
        _each("num_params", 0) + _each("total_params", -5) + _each("nominal_params", 0.0),
        _each("num_params", None, 1) + _each("nominal_params", None, 0.5),
    ),
    (ImportFile, "format_known"): Case(_each("format", "xlsx", ""), _each("format", "verl", "wandb")),
    (Attempt, "state_known"): Case(_each("state", "paused", "Lost"), _each("state", "stopped", "lost")),
    (Attempt, "native_is_complete"): Case(
        tuple({column: None} for column in ("host", "pid", "process_started_at", "lease_expires_at")),
        ({"import_file_id": 1, "host": None, "pid": None, "process_started_at": None, "lease_expires_at": None},),
    ),
    (Attempt, "steps_known"): Case(
        _each("resumed_from_step", -1) + _each("live_through_step", -2),
        _each("resumed_from_step", None, 0) + _each("live_through_step", None, -1, 0),
    ),
    (Attempt, "runs_on_these_tables"): Case(
        ({"state": "running", "schema_revision": "0001"}, {"state": "running", "schema_revision": "9999"}),
        ({"state": "running", "schema_revision": HEAD_REVISION}, {"state": "lost", "schema_revision": "0001"}),
    ),
    (Step, "step_from_one"): Case(_each("step", 0, -1), _each("step", 1)),
    (Step, "cumulative_not_negative"): Case(
        _each("cumulative_samples", -1) + _each("cumulative_tokens", -1)
        + _each("cumulative_flops", -1.0) + _each("cumulative_seconds", -0.5),
        _each("cumulative_samples", None, 0) + _each("cumulative_flops", None, 0.0, 1e300),
    ),
    (Evaluation, "step_from_zero"): Case(_each("step", -1), _each("step", 0)),
    (Evaluation, "score_is_a_share"): Case(_each("score", -0.01, 1.01), _each("score", 0.0, 1.0)),
    (Evaluation, "counts_positive"): Case(
        _each("problems", 0, -1) + _each("samples_per_problem", 0), _each("problems", None, 1)
    ),
    (Evaluation, "successes_within_samples"): Case(
        ({"successes": -1}, {"problems": 3, "samples_per_problem": 2, "successes": 7}),
        ({"problems": 3, "samples_per_problem": 2, "successes": 6}, {"successes": None}, {"successes": 0}),
    ),
    (EvaluationItem, "has_a_result"): Case(
        ({"successes": None, "probability": None},),
        ({"successes": 0, "probability": None}, {"successes": None, "probability": 0.0}),
    ),
    (EvaluationItem, "probability_is_a_share"): Case(
        _each("probability", -0.1, 1.1), _each("probability", 0.0, 1.0)
    ),
}  # fmt: skip


def test_every_check_of_the_tables_is_tried_here() -> None:
    made = {
        (table.name, str(constraint.name))
        for table in Base.metadata.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert made == {(table.__tablename__, f"ck_{table.__tablename__}_{name}") for table, name in CASES}


def _fill_every_table(database: Engine) -> None:
    fill(database)
    with begin_write(database) as connection:
        connection.execute(
            insert(ImportFile).values(
                path="/a.csv", format="csv", sha256="a" * 64, num_bytes=1, mapping={}, rlsweep_version="0.1.0"
            )
        )
        data_set = connection.scalar(select(DataSet.id))
        problem = connection.scalar(
            insert(Problem).values(data_set_id=data_set, position=1000, sha256="a" * 64).returning(Problem.id)
        )
        evaluation = connection.scalar(select(Evaluation.id).limit(1))
        connection.execute(insert(EvaluationItem).values(evaluation_id=evaluation, problem_id=problem, probability=0.5))


def _change(database: Engine, table: type[Base], values: dict[str, Any]) -> None:
    """Give one row of the table these values, and take them back."""
    key = inspect(table).primary_key
    with begin_write(database) as connection:
        first = connection.execute(select(*key).order_by(*key).limit(1)).one()
        here = [column == value for column, value in zip(key, first, strict=True)]
        assert connection.execute(update(table).where(*here).values(**values)).rowcount == 1
        connection.get_transaction().rollback()


def test_checks_refuse_what_they_are_there_for_and_nothing_beside_it(database: Engine) -> None:
    _fill_every_table(database)
    for (table, name), case in CASES.items():
        for values in case.refused:
            with pytest.raises(IntegrityError) as caught:
                _change(database, table, values)
            assert f"ck_{table.__tablename__}_{name}" in str(caught.value.orig), (name, values)
        for values in case.admitted:
            _change(database, table, values)


ORPHANS: tuple[tuple[type[Base], dict[str, Any]], ...] = (
    (Attempt, {"trial_id": 99, "number": 1, "lease_expires_at": HERE.process_started_at} | vars(HERE)),
    (Step, {"trial_id": 1, "attempt": 99, "step": 1}),
    (Evaluation, {"trial_id": 1, "attempt": 99, "step": 1, "benchmark": "b", "protocol": "p", "score": 0.5}),
    (EvaluationItem, {"evaluation_id": 1, "problem_id": 9999, "successes": 1}),
    (EvaluationItem, {"evaluation_id": 99, "problem_id": 1, "successes": 1}),
    (
        Checkpoint,
        {"trial_id": 1, "attempt": 99, "step": 1, "uri": "/c", "num_bytes": 1, "manifest_sha256": "a" * 64,
         "is_milestone": False},
    ),
    (SweepTrial, {"sweep_id": 99, "trial_id": 1, "position": 0, "axes": {}}),
    (SweepTrial, {"sweep_id": 1, "trial_id": 99, "position": 0, "axes": {}}),
    (Problem, {"data_set_id": 99, "position": 0, "sha256": "a" * 64}),
    (Fit, FIT | {"sweep_id": 99}),
)  # fmt: skip


def test_a_row_belongs_to_something_that_is_there(database: Engine) -> None:
    _fill_every_table(database)
    for table, values in ORPHANS:
        with pytest.raises(IntegrityError) as caught, begin_write(database) as connection:
            connection.execute(insert(table).values(**values))
        assert "foreign key" in str(caught.value.orig).lower(), table
