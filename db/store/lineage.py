"""Which steps of a trial count, and the progress that is kept with it.

A trial's curve is pieced together from its attempts: each counts up to the step from which a later one went on.
`trial` repeats how far that lineage has come, so that thousands of trials are listed without reading a step; it is
written in the same transaction as what it repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, exists, func, or_, select, update

from db.records import EvaluationRecord, StepRecord
from db.store.values import stored
from db.tables import Attempt, Trial
from db.views import live_evaluation, live_step

# What is kept of the last live step, beside its number.
_REACHED = ("samples", "tokens", "flops", "seconds", "gpu_seconds")
# Built once: it goes with every step.
_ADVANCE = (
    update(Trial)
    .where(Trial.id == bindparam("of_trial"), Trial.reached_step < bindparam("to_step"))
    .values({f"reached_{name}": bindparam(f"to_{name}") for name in ("step", *_REACHED)})
)


def continue_from(connection: Connection, *, trial_id: int, number: int, step: int) -> None:
    """Let attempt `number` go on after `step`: what earlier attempts did later counts no more."""
    connection.execute(
        update(Attempt).where(Attempt.trial_id == trial_id, Attempt.number == number).values(resumed_from_step=step)
    )
    end_earlier_attempts(connection, trial_id=trial_id, number=number, live_through_step=step)
    restate_progress(connection, trial_id)


def end_earlier_attempts(connection: Connection, *, trial_id: int, number: int, live_through_step: int) -> None:
    """Let attempts before `number` count up to a step, and not beyond."""
    connection.execute(
        update(Attempt)
        .where(
            Attempt.trial_id == trial_id,
            Attempt.number < number,
            or_(Attempt.live_through_step.is_(None), Attempt.live_through_step > live_through_step),
        )
        .values(live_through_step=live_through_step)
    )


def advance(connection: Connection, trial_id: int, steps: Sequence[StepRecord]) -> None:
    """Keep how far the trial has come after recording `steps`; steps written again do not set it back."""
    last = max(steps, key=lambda each: each.step)
    amounts = stored(Trial, {f"to_{name}": getattr(last, f"cumulative_{name}") for name in _REACHED})
    connection.execute(_ADVANCE, {"of_trial": trial_id, "to_step": last.step, **amounts})


def keep_score(connection: Connection, trial_id: int, evaluation_id: int, new: EvaluationRecord) -> None:
    """Keep the first and the last score on the benchmark that was evaluated first, after one more was recorded."""
    is_headline = (func.coalesce(Trial.headline_benchmark, new.benchmark) == new.benchmark) & (
        func.coalesce(Trial.headline_protocol, new.protocol) == new.protocol
    )
    live = live_evaluation.c
    same = (live.trial_id == trial_id) & (live.benchmark == new.benchmark) & (live.protocol == new.protocol)
    has_earlier = exists().where(same, live.step <= new.step, live.id != evaluation_id)
    has_later = exists().where(same, live.step > new.step)
    connection.execute(
        update(Trial)
        .where(Trial.id == trial_id, is_headline)
        .values(
            headline_benchmark=new.benchmark,
            headline_protocol=new.protocol,
            first_score=case((has_earlier, Trial.first_score), else_=new.score),
            last_score=case((has_later, Trial.last_score), else_=new.score),
        )
    )


def restate_progress(connection: Connection, trial_id: int) -> None:
    """Say anew in `trial` what its live lineage holds, on the headline that it has."""
    true = live_progress()
    # The amounts are those of the step that is written first.
    for values in ({"reached_step": true.pop("reached_step")}, true):
        connection.execute(update(Trial).where(Trial.id == trial_id).values(values))


def live_progress() -> dict[str, ColumnElement[Any]]:
    """What the views say of each trial's live lineage, by the column of `trial` that repeats it.

    The amounts are those of the trial's `reached_step`, the scores those on its headline.
    """
    steps, scores = live_step.c, live_evaluation.c
    last_step = select(func.max(steps.step)).where(steps.trial_id == Trial.id).correlate(Trial).scalar_subquery()
    amounts = {
        f"reached_{name}": select(steps[f"cumulative_{name}"])
        .where(steps.trial_id == Trial.id, steps.step == Trial.reached_step)
        .correlate(Trial)
        .limit(1)
        .scalar_subquery()
        for name in _REACHED
    }
    headline = (scores.benchmark == Trial.headline_benchmark) & (scores.protocol == Trial.headline_protocol)
    scored = select(scores.score).where(scores.trial_id == Trial.id, headline).correlate(Trial).limit(1)
    return {
        "reached_step": func.coalesce(last_step, 0),
        **amounts,
        "first_score": scored.order_by(scores.step, scores.id).scalar_subquery(),
        "last_score": scored.order_by(scores.step.desc(), scores.id.desc()).scalar_subquery(),
    }
