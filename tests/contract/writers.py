"""What other processes do to the database: run a trial, claim all there are, write until they are killed.

Imports nothing but the store, so that a process of them starts at once: see `processes`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any

from sqlalchemy import URL, Engine, select

from db.database import open_database
from db.errors import StaleAttemptError
from db.reader import Reader
from db.records import CheckpointRecord, DeletedCheckpoint, EvaluationRecord, Phase, ProblemResult, ResumePoint
from db.states import AttemptState, TrialState
from db.store import claim
from db.tables import Trial
from tests.contract.attempt_records import HELDOUT
from tests.records import HERE, evaluation, step

NUM_STEPS = 12


@dataclass(frozen=True)
class Outcome:
    """What a process has to say: its claims, how often it was refused, and what it did not expect."""

    claimed: tuple[tuple[int, int], ...] = ()
    refused: int = 0
    error: str | None = None


def score_of(trial_id: int, at: int) -> EvaluationRecord:
    """The evaluation of a trial at a step: three problems, whose probabilities tell trials and steps apart."""
    share = (trial_id % 89 + at % 11) / 100
    results = tuple(ProblemResult(place, probability=share) for place in range(3))
    return evaluation(at, share, problems=3, data_set_sha256=HELDOUT.sha256, results=results)


def checkpoint(at: int, number: int) -> CheckpointRecord:
    """The checkpoint that attempt `number` wrote at the end of a step."""
    return CheckpointRecord(at, f"/step-{at}-attempt-{number}", 10, "a" * 64, is_milestone=False)


def run_trial(url: URL, trial_id: int, sweep_id: int, ready: Barrier) -> Outcome:
    """A whole trial, transaction by transaction: steps, scores with results per problem, checkpoints, an end."""
    engine = open_database(url, create=False)
    ready.wait()
    store = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=HERE)
    store.record(HELDOUT, ResumePoint(0), score_of(trial_id, 0))
    for number in range(1, NUM_STEPS + 1):
        store.enter_phase("training", f"step {number}")
        store.record_step(step(number))
        store.record_evaluation(score_of(trial_id, number))
        if number % 4 == 0:
            store.record_checkpoint(checkpoint(number, store.number))
        if number % 8 == 0:
            store.record_deleted_checkpoint(checkpoint(number - 4, store.number).uri, step=number)
    store.end(AttemptState.SUCCEEDED)
    engine.dispose()
    return Outcome(claimed=((trial_id, store.number),))


def claim_all(url: URL, trial_ids: Sequence[int], sweep_id: int, seed: int, ready: Barrier) -> Outcome:
    """Try for every trial: the first few in the same order as everybody, the others in an order of its own.

    Of the others it looks, some at a time, which nobody has, as a driver does; what was free then may be gone.
    """
    engine = open_database(url, create=False)
    contested, others = list(trial_ids[:16]), list(trial_ids[16:])
    random.Random(seed).shuffle(others)
    ready.wait()
    claimed, refused = [], 0
    for some in [contested, *(others[start : start + 50] for start in range(0, len(others), 50))]:
        for trial_id in some if some is contested else _free(engine, some):
            try:
                store = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=HERE)
                claimed.append((trial_id, store.number))
            except StaleAttemptError:
                refused += 1
    engine.dispose()
    return Outcome(tuple(claimed), refused)


def _free(engine: Engine, trial_ids: Sequence[int]) -> list[int]:
    statement = select(Trial.id).where(Trial.id.in_(trial_ids), Trial.state != TrialState.RUNNING)
    with engine.connect() as connection:
        found = set(connection.scalars(statement))
    return [trial_id for trial_id in trial_ids if trial_id in found]


def write_until_killed(url: URL, trial_id: int, sweep_id: int, answers: Connection) -> None:
    """Go on with a trial from its newest checkpoint; says each step's number once its transaction has returned."""
    engine = open_database(url, create=False)
    store = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=HERE)
    saved = Reader(engine).live_checkpoints(trial_id)
    number = saved[0].step if saved else 0
    store.record(HELDOUT, ResumePoint(number))
    answers.send(number)
    while True:
        number += 1
        saving = [checkpoint(number, store.number)] if number % 3 == 0 else []
        deleting = [DeletedCheckpoint(checkpoint(number - 3, store.number).uri, number)] if number % 6 == 0 else []
        store.record(Phase("training"), step(number), score_of(trial_id, number), *saving, *deleting)
        answers.send(number)


def answering(work: Callable[..., Outcome], arguments: tuple[Any, ...], answers: Connection) -> None:
    """Do `work` and say how it went."""
    try:
        outcome = work(*arguments)
    except BaseException as error:
        outcome = Outcome(error=f"{type(error).__name__}: {error}")
    answers.send(outcome)
