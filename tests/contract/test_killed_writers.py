"""kill -9 of a writer at any moment: what was acknowledged is there, whole, and the trial goes on."""

from __future__ import annotations

import os
import random
import signal
import time

from sqlalchemy import Connection, Engine, func, select, text

from db.store import PlanStore
from db.tables import Attempt, Evaluation, EvaluationItem, Step
from db.views import live_checkpoint, live_evaluation, live_step
from tests.contract.processes import start
from tests.contract.writers import checkpoint, score_of, write_until_killed
from tests.records import SWEEP, planned
from tests.soak import times

# A writer is killed so many answers after its start, and then some: a transaction takes a few milliseconds, and 0
# answers leave it in the claim, or before.
_MOST_ANSWERS = 6
_LONGEST_WAIT_SECONDS = 0.01


def test_writers_killed_on_sqlite_lose_nothing_acknowledged(sqlite_database: Engine) -> None:
    _kill_writers(sqlite_database, repetitions=times(40, 100))


def test_writers_killed_on_postgresql_lose_nothing_acknowledged(postgresql_database: Engine) -> None:
    _kill_writers(postgresql_database, repetitions=times(20, 100))


def _kill_writers(database: Engine, *, repetitions: int) -> None:
    sweep = PlanStore(database).register(SWEEP, [planned(1)])
    (trial_id,) = sweep.trial_ids
    chance, written = random.Random(repetitions), 0
    for _ in range(repetitions):
        acknowledged = _live_and_die(
            database, trial_id, sweep.sweep_id,
            answers=chance.randint(0, _MOST_ANSWERS), wait=chance.uniform(0, _LONGEST_WAIT_SECONDS),
        )  # fmt: skip
        lost = PlanStore(database).declare_lost(sweep.sweep_id, is_dead=lambda _: True)
        assert lost in ([], [trial_id])
        with database.connect() as connection:
            written += _check_attempt(connection, trial_id, acknowledged, has_claimed=bool(lost))
            _check_live_lineage(connection, trial_id)
            _check_integrity(connection)
    assert written > repetitions  # they were not all killed before they wrote


def _live_and_die(database: Engine, trial_id: int, sweep_id: int, *, answers: int, wait: float) -> list[int]:
    """Start a writer, kill it, and return what it was told is written: where it resumed, then its steps."""
    process, connection = start(write_until_killed, database.url, trial_id, sweep_id)
    acknowledged: list[int] = [connection.recv() for _ in range(answers)]
    time.sleep(wait)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    while True:
        try:
            acknowledged.append(connection.recv())
        except (EOFError, OSError):  # it died in the middle of an answer, or after one
            return acknowledged


def _check_attempt(connection: Connection, trial_id: int, acknowledged: list[int], *, has_claimed: bool) -> int:
    """Everything acknowledged is there, and at most one transaction more, whole; returns how many steps are."""
    if not has_claimed:
        assert acknowledged == []
        return 0
    attempt = connection.execute(
        select(Attempt.number, Attempt.resumed_from_step, Attempt.state).order_by(Attempt.number.desc()).limit(1)
    ).one()
    assert attempt.state == "lost"
    own = [Step.trial_id == trial_id, Step.attempt == attempt.number]
    steps = list(connection.scalars(select(Step.step).where(*own).order_by(Step.step)))
    if acknowledged:
        resumed, *known = acknowledged
        assert attempt.resumed_from_step == resumed
        assert known == list(range(resumed + 1, resumed + 1 + len(known)))
        assert steps in (known, [*known, resumed + len(known) + 1])
    else:
        assert attempt.resumed_from_step is None or steps == [] or steps == [attempt.resumed_from_step + 1]
    _check_scores(connection, trial_id, attempt.number, steps)
    return len(steps)


def _check_scores(connection: Connection, trial_id: int, number: int, steps: list[int]) -> None:
    """The score of every step that was written in the same transaction, and the results of every problem."""
    results = select(func.count()).where(EvaluationItem.evaluation_id == Evaluation.id).scalar_subquery()
    rows = connection.execute(
        select(Evaluation.step, Evaluation.score, results)
        .where(Evaluation.trial_id == trial_id, Evaluation.attempt == number)
        .order_by(Evaluation.step)
    )
    assert [tuple(row) for row in rows] == [(at, score_of(trial_id, at).score, 3) for at in steps]


def _check_live_lineage(connection: Connection, trial_id: int) -> None:
    """Every step once, from the first to the last, and so the scores; a checkpoint to go on from at every third."""
    steps = list(connection.execute(select(live_step.c.step, live_step.c.attempt).order_by(live_step.c.step)))
    assert [row.step for row in steps] == list(range(1, len(steps) + 1))
    scored = connection.execute(
        select(live_evaluation.c.step, live_evaluation.c.attempt).order_by(live_evaluation.c.step)
    )
    assert list(map(tuple, scored)) == list(map(tuple, steps))
    newest = len(steps) - len(steps) % 3
    saved = connection.execute(
        select(live_checkpoint.c.uri).where(live_checkpoint.c.step == newest, live_checkpoint.c.trial_id == trial_id)
    )
    whose = {row.step: row.attempt for row in steps}
    assert [row.uri for row in saved] == ([checkpoint(newest, whose[newest]).uri] if newest else [])


def _check_integrity(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
