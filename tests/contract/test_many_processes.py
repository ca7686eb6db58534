"""Many processes at one database: nothing is lost, nothing is there twice, nobody waits for ever."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import Engine, func, select, text

from db.reader import Reader
from db.store import PlanStore
from db.tables import Attempt, Checkpoint, DataSet, Evaluation, EvaluationItem, Problem, Step, Trial
from db.views import live_checkpoint
from tests.contract.processes import run_at_once
from tests.contract.steering import count
from tests.contract.writers import NUM_STEPS, claim_all, run_trial, score_of
from tests.records import SWEEP, planned
from tests.soak import times

NUM_WRITERS = times(16, 32)


def test_processes_write_a_trial_each_and_every_row_is_there_once(database: Engine) -> None:
    sweep = PlanStore(database).register(SWEEP, [planned(number) for number in range(NUM_WRITERS)])
    outcomes = run_at_once(run_trial, [(database.url, trial_id, sweep.sweep_id) for trial_id in sweep.trial_ids])
    assert [each.error for each in outcomes] == [None] * NUM_WRITERS
    _check_rows(database, sweep.trial_ids)
    _check_progress(database, sweep.sweep_id)
    with database.connect() as connection:
        if database.dialect.name == "sqlite":
            assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []


def _check_rows(database: Engine, trial_ids: tuple[int, ...]) -> None:
    scores = NUM_WRITERS * (NUM_STEPS + 1)
    assert count(database, Attempt) == NUM_WRITERS
    assert count(database, Step) == NUM_WRITERS * NUM_STEPS
    assert count(database, Evaluation) == scores
    assert count(database, EvaluationItem) == 3 * scores
    assert count(database, Checkpoint) == NUM_WRITERS * NUM_STEPS // 4
    # All of them brought the same data set along.
    assert (count(database, DataSet), count(database, Problem)) == (1, 3)
    with database.connect() as connection:
        steps = connection.execute(
            select(Step.trial_id, func.min(Step.step), func.max(Step.step), func.count()).group_by(Step.trial_id)
        )
        assert sorted(map(tuple, steps)) == [(trial_id, 1, NUM_STEPS, NUM_STEPS) for trial_id in trial_ids]
        scored = connection.execute(select(Evaluation.trial_id, Evaluation.step, Evaluation.score))
        assert all(row.score == score_of(row.trial_id, row.step).score for row in scored)
        kept = connection.execute(select(live_checkpoint.c.trial_id, live_checkpoint.c.step))
        assert sorted(map(tuple, kept)) == [(trial_id, at) for trial_id in trial_ids for at in (8, 12)]


def _check_progress(database: Engine, sweep_id: int) -> None:
    reader = Reader(database)
    for row in reader.trials(sweep_id):
        assert (row.state, row.attempt, row.step) == ("succeeded", 1, NUM_STEPS)
        assert row.first_loss == pytest.approx(1 - score_of(row.trial_id, 0).score)
        assert row.last_loss == pytest.approx(1 - score_of(row.trial_id, NUM_STEPS).score)
        trial = reader.trial(row.trial_id)
        assert (trial["reached_samples"], trial["reached_tokens"]) == (64 * NUM_STEPS, 6656 * NUM_STEPS)
        assert (trial["reached_flops"], trial["reached_seconds"]) == (1e19 * NUM_STEPS, 0.5 * NUM_STEPS)


def _race(database: Engine, *, claimers: int, trials: int) -> None:
    sweep = PlanStore(database).register(SWEEP, [planned(number) for number in range(trials)])
    arguments = [(database.url, sweep.trial_ids, sweep.sweep_id, seed) for seed in range(claimers)]
    outcomes = run_at_once(claim_all, arguments)
    assert [each.error for each in outcomes] == [None] * claimers
    claimed = Counter(pair for each in outcomes for pair in each.claimed)
    assert claimed == {(trial_id, 1): 1 for trial_id in sweep.trial_ids}
    assert sum(each.refused for each in outcomes) > claimers  # so they did get into each other's way
    with database.connect() as connection:
        attempts = connection.execute(select(Attempt.trial_id, Attempt.number, Attempt.state)).all()
        assert sorted(map(tuple, attempts)) == [(trial_id, 1, "running") for trial_id in sweep.trial_ids]
        assert set(connection.execute(select(Trial.state, Trial.attempts))) == {("running", 1)}


def test_claimers_on_postgresql_claim_each_trial_once(postgresql_database: Engine) -> None:
    _race(postgresql_database, claimers=times(32, 64), trials=times(500, 2000))


def test_claimers_on_sqlite_claim_each_trial_once(sqlite_database: Engine) -> None:
    _race(sqlite_database, claimers=16, trials=times(100, 200))
