"""Histories of attempts that resume wherever they can, held against a model of what they mean."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, select

from db.reader import Reader
from db.records import CheckpointRecord, EvaluationRecord, ResumePoint, StepRecord
from db.states import AttemptState
from db.store import AttemptStore, PlanStore, claim
from db.views import final_result, flop_ledger, learning_curve, live_evaluation, live_step, trial_status
from tests.contract.lineage_model import Record, TrialModel
from tests.contract.steering import again
from tests.records import HERE, SWEEP, evaluation, planned, step
from tests.soak import times

Test: TypeAlias = Callable[[Engine, list["Life"]], None]

_BENCHMARKS = ("heldout", "gsm8k")


@dataclass(frozen=True)
class Life:
    """One attempt. Places count from the step that it continues; None: it dies before it knows which."""

    resumes: int | None
    num_steps: int
    scored: frozenset[tuple[int, str]]
    saved: frozenset[int]
    batch: int
    in_order: bool
    repeats: int
    end: AttemptState | None
    chance: int


LIVES = st.builds(
    Life,
    resumes=st.none() | st.integers(0, 9),
    num_steps=st.integers(0, 5),
    scored=st.frozensets(st.tuples(st.integers(0, 5), st.sampled_from(_BENCHMARKS)), max_size=6),
    saved=st.frozensets(st.integers(1, 5)),
    batch=st.integers(1, 6),
    in_order=st.booleans(),
    repeats=st.integers(0, 3),
    end=st.sampled_from([None, AttemptState.INTERRUPTED, AttemptState.FAILED]),
    chance=st.integers(0, 1000),
)
_numbers = count(1)


def histories(*, quick: int, soak: int) -> Callable[[Test], Test]:
    """Runs a test on that many histories in one database, each of a trial of its own."""

    def decorate(test: Test) -> Test:
        quietly = settings(
            max_examples=times(quick, soak), deadline=None, database=None,
            phases=[Phase.generate],  # shrinking would live through thousands of histories more
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )  # fmt: skip
        return quietly(given(lives=st.lists(LIVES, min_size=1, max_size=5))(test))

    return decorate


def test_the_curve_has_every_step_once_after_a_resume(database: Engine, attempt: AttemptStore) -> None:
    attempt.record(ResumePoint(0), evaluation(0, 0.3))
    for number in range(1, 6):
        attempt.record(step(number), evaluation(number, 0.3 + number / 100))
    attempt.record(CheckpointRecord(3, "/c3", 10, "a" * 64, True), CheckpointRecord(5, "/c5", 10, "a" * 64, False))
    living = again(database, attempt)
    living.resume_from(3)
    for number in range(4, 8):
        living.record(step(number), evaluation(number, 0.5))
    reader = Reader(database)
    curve = reader.curve([attempt.trial_id])
    assert [(row["step"], row["attempt"]) for row in curve] == [
        (0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2),
    ]  # fmt: skip
    assert [row["samples"] for row in curve] == [64 * number for number in range(8)]
    assert [(each.uri, each.is_milestone) for each in reader.live_checkpoints(attempt.trial_id)] == [("/c3", True)]
    (row,) = reader.trials(attempt.sweep_id)
    assert (row.step, row.attempt, row.share) == (7, 2, 0.7)
    assert (row.first_loss, row.last_loss) == (0.7, 0.5)


def test_what_an_attempt_scores_before_its_first_step_cost_what_its_checkpoint_cost(
    database: Engine, attempt: AttemptStore
) -> None:
    attempt.record(ResumePoint(0), step(1), step(2), CheckpointRecord(2, "/c2", 10, "a" * 64, False))
    living = again(database, attempt)
    living.record(ResumePoint(2), evaluation(2, 0.5))
    (row,) = Reader(database).curve([attempt.trial_id])
    assert (row["attempt"], row["step"], row["samples"], row["flops"]) == (2, 2, 128, 2e19)


@histories(quick=50, soak=1000)
def test_every_history_on_sqlite_means_what_the_model_says(sqlite_database: Engine, lives: list[Life]) -> None:
    _live_and_compare(sqlite_database, lives)


@histories(quick=20, soak=300)
def test_every_history_on_postgresql_means_what_the_model_says(postgresql_database: Engine, lives: list[Life]) -> None:
    _live_and_compare(postgresql_database, lives)


def _live_and_compare(database: Engine, lives: list[Life]) -> None:
    trial = planned(next(_numbers))
    sweep = PlanStore(database).register(SWEEP, [trial])
    model, store = TrialModel(), None
    for life in lives:
        if store is None:
            store = claim(database, trial_id=sweep.trial_ids[0], sweep_id=sweep.sweep_id, process=HERE)
        else:
            store = again(database, store)
        model.start()
        _live(store, model, life)
        if life.end is not None:
            store.end(life.end)
        _compare(database, store, model, life)


def _live(store: AttemptStore, model: TrialModel, life: Life) -> None:
    if life.resumes is None:
        store.enter_phase("preparing")
        return
    starts = [0, *model.live_checkpoints()]
    story = _story(model, life, starts[life.resumes % len(starts)])
    chance = random.Random(life.chance)
    if not life.in_order:
        rest = story[1:]
        chance.shuffle(rest)
        story[1:] = rest
    for start in range(0, len(story), life.batch):
        batch = story[start : start + life.batch]
        store.record(*batch)
        for record in batch:
            model.deliver(record)
        told = story[: start + life.batch]
        store.record(*(chance.choice(told) for _ in range(life.repeats)))


def _story(model: TrialModel, life: Life, start: int) -> list[Record]:
    """What the attempt has to say. Its scores and FLOPs are its own, so that no other's can pass for them."""
    number = len(model.attempts)
    before = model.live_steps().get(start)
    last = before[1] if before else step(1, **_nothing())
    story: list[Record] = [ResumePoint(start)]
    for place in range(life.num_steps + 1):
        at = start + place
        if place:
            last = _following(last, at, number)
            story.append(last)
        story += [_score(at, number, benchmark) for benchmark in _BENCHMARKS if (place, benchmark) in life.scored]
        if place in life.saved:
            story.append(CheckpointRecord(at, f"/{number}/{at}", 10, "a" * 64, is_milestone=False))
    return story


def _nothing() -> dict[str, float]:
    return {f"cumulative_{name}": 0 for name in ("samples", "tokens", "flops", "seconds")}


def _following(last: StepRecord, at: int, number: int) -> StepRecord:
    cumulative = {"samples": 64, "tokens": 100 * number, "flops": 15.0 * number, "seconds": 0.5 * number}
    return step(
        at, generation_flops=1.0 * number, old_logprob_flops=2.0 * number, reference_flops=4.0 * number,
        train_flops=8.0 * number, step_seconds=0.5 * number,
        **{f"cumulative_{name}": getattr(last, f"cumulative_{name}") + more for name, more in cumulative.items()},
    )  # fmt: skip


def _score(at: int, number: int, benchmark: str) -> EvaluationRecord:
    return evaluation(at, (at * 8 + number) / 1024, benchmark=benchmark, evaluation_flops=float(number))


def _compare(database: Engine, store: AttemptStore, model: TrialModel, life: Life) -> None:
    trial_id = store.trial_id
    assert [(row["attempt"], row["step"]) for row in _rows(database, live_step, trial_id, "step")] == [
        (number, at) for at, (number, _) in model.live_steps().items()
    ]
    assert [(row["attempt"], row["step"], row["score"]) for row in _rows(database, live_evaluation, trial_id)] == [
        (number, record.step, record.score) for number, record in model.live_scores()
    ]
    _agree(_rows(database, learning_curve, trial_id), model.curve())
    _agree(_rows(database, flop_ledger, trial_id, "attempt"), list(model.ledger()))
    for row in _rows(database, flop_ledger, trial_id, "attempt"):
        assert row["paid_flops"] == row["useful_flops"] + row["lost_flops"]
    final = {row["benchmark"]: row for row in _rows(database, final_result, trial_id, "benchmark")}
    assert final.keys() == model.final().keys()
    for benchmark, row in model.final().items():
        _agree([final[benchmark]], [row])
    _agree([Reader(database).trial(trial_id)], [model.progress()])
    _compare_status(database, trial_id, model, life)
    checkpoints = [each.step for each in Reader(database).live_checkpoints(trial_id)]
    assert checkpoints == model.live_checkpoints()[::-1]


def _compare_status(database: Engine, trial_id: int, model: TrialModel, life: Life) -> None:
    told = model.progress()
    (row,) = _rows(database, trial_status, trial_id, "trial_id")
    states = {None: "running", AttemptState.INTERRUPTED: "paused", AttemptState.FAILED: "failed"}
    losses = [None if told[which] is None else 1 - told[which] for which in ("first_score", "last_score")]
    assert (row["state"], row["attempt"], row["step"]) == (states[life.end], told["attempts"], told["reached_step"])
    assert (row["first_loss"], row["last_loss"]) == tuple(losses)
    assert (row["spent"], row["train_seconds"]) == (told["reached_step"], told["reached_seconds"])


def _rows(database: Engine, view: Table, trial_id: int, order: str = "") -> list[dict[str, Any]]:
    columns = view.c
    by = [columns[order]] if order else [columns.step, columns["id" if "id" in columns else "evaluation_id"]]
    with database.connect() as connection:
        rows = connection.execute(select(view).where(columns.trial_id == trial_id).order_by(*by)).mappings()
        return [dict(row) for row in rows]


def _agree(rows: list[dict[str, Any]], told: list[dict[str, Any]]) -> None:
    """The rows say, in the columns that the model speaks of, what it says."""
    assert len(rows) == len(told)
    for row, expected in zip(rows, told, strict=True):
        assert {name: row[name] for name in expected} == expected
