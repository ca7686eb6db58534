"""What a trial starts from and is scored on: weights and problems, known by their content."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import Engine, select

from db.errors import SpecError
from db.reader import Reader
from db.records import DataSetRecord, ModelRecord, ProblemResult
from db.store import AttemptStore, PlanStore, claim
from db.tables import DataSet, Evaluation, EvaluationItem, Model, Problem
from tests.contract.attempt_records import HELDOUT, RESULTS
from tests.contract.steering import contents, count
from tests.records import HERE, SWEEP, evaluation, planned

MODEL = ModelRecord("m", 10, 12, source="org/m", revision="main", weights_sha256="a" * 64)


def test_a_trial_does_not_go_on_with_other_weights(database: Engine, attempt: AttemptStore) -> None:
    attempt.record_model(MODEL)
    before = contents(database)
    with pytest.raises(SpecError, match="are not those that trial 1 was started from"):
        attempt.record_model(replace(MODEL, weights_sha256="b" * 64))
    assert contents(database) == before


def test_trials_share_models_data_sets_and_problems(database: Engine) -> None:
    sweep = PlanStore(database).register(SWEEP, [planned(1), planned(2)])
    for trial_id in sweep.trial_ids:
        store = claim(database, trial_id=trial_id, sweep_id=sweep.sweep_id, process=HERE)
        store.record(MODEL, HELDOUT, evaluation(1, 0.5, data_set_sha256=HELDOUT.sha256, results=RESULTS))
    assert [count(database, table) for table in (Model, DataSet, Problem, EvaluationItem)] == [1, 1, 3, 6]


def test_the_first_data_set_is_what_a_trial_is_trained_on(database: Engine, attempt: AttemptStore) -> None:
    attempt.record_data_set(DataSetRecord("train", None, "c" * 64, 1000))
    attempt.record_data_set(HELDOUT)
    with database.connect() as connection:
        trained_on = connection.scalar(select(DataSet.id).where(DataSet.name == "train"))
    assert Reader(database).trial(attempt.trial_id)["data_set_id"] == trained_on


def test_results_belong_to_the_problems_of_the_evaluations_own_data_set(
    database: Engine, attempt: AttemptStore
) -> None:
    """The same problems under three names, of which one came without saying which they are."""
    bare = replace(HELDOUT, name="bare", problem_sha256s=())
    for first, second in product([bare, HELDOUT], [replace(HELDOUT, name="twin")]):
        attempt.record(first, second)
    attempt.record(evaluation(1, 0.5, data_set_sha256=HELDOUT.sha256, results=RESULTS))
    with database.connect() as connection:
        rows = connection.execute(
            select(Evaluation.data_set_id, Problem.data_set_id, Problem.position, EvaluationItem.probability)
            .select_from(EvaluationItem)
            .join(Problem, Problem.id == EvaluationItem.problem_id)
            .join(Evaluation, Evaluation.id == EvaluationItem.evaluation_id)
            .order_by(Problem.position)
        ).all()
    assert [(row[2], row[3]) for row in rows] == [(0, 0.25), (1, 0.5), (2, 0.75)]
    assert all(row[0] == row[1] for row in rows)


def test_a_problem_is_scored_by_successes_or_by_probability(database: Engine, attempt: AttemptStore) -> None:
    results = (ProblemResult(2, successes=0), ProblemResult(0, successes=3))
    attempt.record(HELDOUT, evaluation(1, 0.5, data_set_sha256=HELDOUT.sha256, results=results))
    with database.connect() as connection:
        columns = select(Problem.position, EvaluationItem.successes, EvaluationItem.probability)
        rows = connection.execute(columns.join(Problem, Problem.id == EvaluationItem.problem_id))
        assert sorted(map(tuple, rows)) == [(0, 3, None), (2, 0, None)]
