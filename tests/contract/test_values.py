"""What becomes of odd values: the same on both databases, and nothing that a trial can say stops it."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from sqlalchemy import Engine, select

from db.errors import SpecError
from db.reader import Reader
from db.records import AttemptRecord, DataSetRecord, EvaluationRecord, ModelRecord, ProblemResult, StepRecord
from db.states import AttemptState
from db.store import AttemptStore, PlanStore
from db.tables import DataSet, Evaluation, EvaluationItem, Model, Step
from db.views import learning_curve
from tests.contract.attempt_records import HELDOUT, ONE_OF_EACH
from tests.contract.steering import contents
from tests.records import SWEEP, evaluation, planned, step

MANY = 40  # steps at once are written in another way than a few


def _steps(database: Engine, column: str) -> list[Any]:
    with database.connect() as connection:
        return list(connection.scalars(select(getattr(Step, column)).order_by(Step.step)))


@pytest.mark.parametrize("num_steps", [1, MANY])
def test_what_is_not_a_number_is_missing(database: Engine, attempt: AttemptStore, num_steps: int) -> None:
    attempt.record(*(step(number, kl=nan, loss=nan, entropy=0.25) for number in range(1, num_steps + 1)))
    assert _steps(database, "kl") == [None] * num_steps
    assert _steps(database, "loss") == [None] * num_steps
    assert _steps(database, "entropy") == [0.25] * num_steps


@pytest.mark.parametrize("num_steps", [1, MANY])
def test_an_infinite_number_is_infinite(database: Engine, attempt: AttemptStore, num_steps: int) -> None:
    attempt.record(*(step(number, gradient_norm=inf, loss=-inf) for number in range(1, num_steps + 1)))
    assert _steps(database, "gradient_norm") == [inf] * num_steps
    assert _steps(database, "loss") == [-inf] * num_steps


@pytest.mark.parametrize("num_steps", [1, MANY])
def test_numbers_are_kept_to_the_last_bit(database: Engine, attempt: AttemptStore, num_steps: int) -> None:
    odd = {"cumulative_flops": 1e300, "loss": 0.1 + 0.2, "kl": 5e-324, "cumulative_tokens": 2**62 + 1, "reward": -0.0}
    attempt.record(*(step(number, **odd) for number in range(1, num_steps + 1)))
    for column, value in odd.items():
        assert _steps(database, column) == [value] * num_steps


def test_many_steps_at_once_are_the_same_as_one_after_the_other(database: Engine, attempt: AttemptStore) -> None:
    story = [step(number, loss=number / 7, kl=None if number % 2 else nan) for number in range(1, MANY + 1)]
    for each in story[: MANY // 2]:
        attempt.record(each)
    rows = contents(database)["step"]
    attempt.record(*story, *story, step(3, loss=99.0))
    attempt.record(*story)
    after = contents(database)["step"]
    assert after[: MANY // 2] == rows
    assert _steps(database, "step") == list(range(1, MANY + 1))
    assert _steps(database, "loss") == [number / 7 for number in range(1, MANY + 1)]
    assert _steps(database, "kl") == [None] * MANY
    assert Reader(database).trial(attempt.trial_id)["reached_step"] == MANY


def test_a_missing_number_is_null(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(StepRecord(1), EvaluationRecord(1, "heldout", "exact", 0.4))
    with database.connect() as connection:
        row = connection.execute(select(learning_curve)).mappings().one()
    known = {"evaluation_id", "trial_id", "attempt", "step", "model", "data", "algorithm", "seed", "group_size"}
    known |= {"prompts_per_step", "updates_per_step", "kl_coefficient", "learning_rate", "origin", "trial_state"}
    known |= {"benchmark", "protocol", "score", "test_loss"}
    assert {name for name, value in row.items() if value is not None} == known


def test_missing_numbers_of_models_problems_and_the_machine_are_null(database: Engine, attempt: AttemptStore) -> None:
    machine: Any = ONE_OF_EACH["Provenance"]
    results = (ProblemResult(0, successes=1, probability=nan), ProblemResult(1, probability=0.5))
    attempt.record(
        replace(machine, num_gpus=nan),
        ModelRecord("m", 10, nominal_params=nan, warm_up_score=nan, weights_sha256="a" * 64),
        HELDOUT,
        evaluation(1, 0.5, standard_error=nan, data_set_sha256=HELDOUT.sha256, results=results),
    )
    (row,) = Reader(database).attempts(attempt.trial_id)
    assert row["num_gpus"] is None
    with database.connect() as connection:
        assert connection.execute(select(Model.nominal_params, Model.warm_up_score)).one() == (None, None)
        assert connection.scalar(select(Evaluation.standard_error)) is None
        assert connection.scalars(select(EvaluationItem.probability).order_by(EvaluationItem.problem_id)).all() == [
            None, 0.5,
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        pytest.param('it\'s "quoted"; DROP TABLE trial; -- %s :name ? \\', None, id="quotes and placeholders"),
        pytest.param("Modell Ω 模型 \U0001f916 \U0001d54f", None, id="letters and emoji beyond the first plane"),
        pytest.param("one\r\ntwo\tthree\x1b[31m\x07", None, id="control characters"),
        pytest.param("File x.py, line 1\n" * 6000, None, id="100 KB"),
        pytest.param("", None, id="empty"),
        pytest.param("before\0after", r"before\x00after", id="NUL"),
        pytest.param("name \udcff\ud83d", r"name \udcff\ud83d", id="half a character"),
    ],
)
def test_any_text_can_be_said(database: Engine, attempt: AttemptStore, told: str, kept: str | None) -> None:
    kept = told if kept is None else kept
    attempt.log_to(told)
    attempt.record_checkpoint(replace(_checkpoint(), uri=told))
    assert [each.uri for each in Reader(database).live_checkpoints(attempt.trial_id)] == [kept]
    attempt.record_deleted_checkpoint(told, step=_checkpoint().step + 1)
    assert Reader(database).live_checkpoints(attempt.trial_id) == []
    attempt.end(AttemptState.FAILED, message=told, traceback=told, failure_class="code")
    (row,) = Reader(database).attempts(attempt.trial_id)
    assert (row["log_uri"], row["message"], row["traceback"]) == (kept, kept, kept)


def _checkpoint() -> Any:
    return ONE_OF_EACH["CheckpointRecord"]


def test_a_description_that_is_too_long_is_cut(database: Engine, attempt: AttemptStore) -> None:
    machine: Any = ONE_OF_EACH["Provenance"]
    attempt.enter_phase("p" * 41, "\U0001f916" * 201)
    attempt.describe(replace(machine, device="d" * 300, torch_version="2." + "1" * 50))
    (row,) = Reader(database).attempts(attempt.trial_id)
    assert row["phase"] == "p" * 39 + "…"
    assert row["phase_detail"] == "\U0001f916" * 199 + "…"
    assert (len(row["device"]), len(row["torch_version"])) == (200, 40)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(ModelRecord("\U0001f916" * 201, 10, weights_sha256="a" * 64), id="model"),
        pytest.param(DataSetRecord("d" * 201, None, "c" * 64, 10), id="data set"),
        pytest.param(evaluation(1, 0.5, benchmark="b" * 81), id="benchmark"),
        pytest.param(evaluation(1, 0.5, protocol="p" * 81), id="protocol"),
    ],
)
def test_a_name_that_is_too_long_is_refused_in_words(
    database: Engine, attempt: AttemptStore, record: AttemptRecord
) -> None:
    before = contents(database)
    with pytest.raises(SpecError, match=r"has (201|81) characters; the database keeps at most (200|80)"):
        attempt.record(record)
    assert contents(database) == before


def test_names_as_long_as_their_columns_are_kept_whole(database: Engine, attempt: AttemptStore) -> None:
    name = "\U0001f916" * 200
    attempt.record(ModelRecord(name, 10, weights_sha256="a" * 64), DataSetRecord(name, None, "c" * 64, 10))
    attempt.record(evaluation(1, 0.5, benchmark="Ω" * 80))
    with database.connect() as connection:
        assert connection.scalar(select(Model.name)) == name
        assert connection.scalar(select(DataSet.name)) == name
        assert connection.scalar(select(Evaluation.benchmark)) == "Ω" * 80


@pytest.mark.parametrize("what", ["sweep", "model", "data", "algorithm"])
def test_a_sweep_whose_names_are_too_long_is_refused_whole(database: Engine, what: str) -> None:
    before = contents(database)
    sweep = replace(SWEEP, name="s" * 201) if what == "sweep" else SWEEP
    long = {} if what == "sweep" else {what: "x" * 201}
    with pytest.raises(SpecError, match="characters; the database keeps at most"):
        PlanStore(database).register(sweep, [planned(1), planned(2, **long)])
    assert contents(database) == before


@pytest.mark.parametrize("num_steps", [1, MANY])
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_whole_number_beyond_64_bits_is_refused_in_words(
    database: Engine, attempt: AttemptStore, number: int, num_steps: int
) -> None:
    before = contents(database)
    with pytest.raises(SpecError, match=f"The number {number} has more than 64 bits"):
        attempt.record(*(step(each, samples=number) for each in range(1, num_steps + 1)))
    with pytest.raises(SpecError, match="has more than 64 bits"):
        PlanStore(database).register(SWEEP, [planned(2, seed=number)])
    assert contents(database) == before


@pytest.mark.parametrize("number", [nan, inf, -inf])
@pytest.mark.parametrize("what", ["science", "axes", "spec"])
def test_a_document_with_a_number_that_json_does_not_have_is_refused_whole(
    database: Engine, what: str, number: float
) -> None:
    before = contents(database)
    with pytest.raises(SpecError, match=rf"The {what} of a .*trial cannot be kept: a\.b\[1\] is {number}, and JSON"):
        PlanStore(database).register(SWEEP, [planned(1), planned(2, **{what: {"a": {"b": [1.5, number]}}})])
    with pytest.raises(SpecError, match="The fit_settings of a sweep cannot be kept: x is"):
        PlanStore(database).register(replace(SWEEP, fit_settings={"x": number}), [planned(1)])
    assert contents(database) == before


def test_a_result_of_a_problem_that_is_not_recorded_is_refused_in_words(
    database: Engine, attempt: AttemptStore
) -> None:
    before = contents(database)
    results = (ProblemResult(0, successes=1), ProblemResult(3, successes=1))
    with pytest.raises(SpecError, match=r"'heldout' at step 1 .* problem 0, .* 0 problems are recorded"):
        attempt.record(evaluation(1, 0.5, data_set_sha256="f" * 64, results=results))
    with pytest.raises(SpecError, match=r"'heldout' at step 1 .* problem 3, .* 3 problems are recorded"):
        attempt.record(HELDOUT, evaluation(1, 0.5, data_set_sha256=HELDOUT.sha256, results=results))
    assert contents(database) == before


def test_a_sweep_file_may_say_anything(database: Engine) -> None:
    odd = "it's \0 odd: \U0001f916 \udcff"
    axes = {"prompt": odd, "nested": {"a": [1, None, 2.5]}}
    sweep = replace(SWEEP, question=odd, source=odd, caveats=[odd], fit_settings={"from": 1.5})
    registration = PlanStore(database).register(sweep, [planned(1, axes=axes, spec=axes)])
    (row,) = Reader(database).sweeps()
    assert row.question == r"it's \x00 odd: " + "\U0001f916" + r" \udcff"
    assert (row.caveats, row.fit_settings) == ([odd], {"from": 1.5})
    (trial_id,) = registration.trial_ids
    assert Reader(database).spec(sweep_id=registration.sweep_id, trial_id=trial_id) == axes
