"""Which steps of a trial count, and the progress that is kept with it.

A trial's curve is pieced together from its attempts: each counts up to the step from which a later one went on.
`trial` repeats how far that lineage has come, so that thousands of trials are listed without reading a step; it is
written in the same transaction as what it repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, null, or_, select, update

from db.records import EvaluationRecord, StepRecord
from db.tables import Attempt, Trial
from db.views import live_evaluation, live_step


def continue_from(connection: Connection, *, trial_id: int, number: int, step: int) -> None:
    """Let attempt `number` go on after `step`: what earlier attempts did later counts no more."""
    connection.execute(
        update(Attempt).where(Attempt.trial_id == trial_id, Attempt.number == number).values(resumed_from_step=step)
    )
    end_earlier_attempts(connection, trial_id=trial_id, number=number, live_through_step=step)
    connection.execute(update(Trial).where(Trial.id == trial_id).values(**_progress_at(trial_id, step)))


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
    connection.execute(
        update(Trial)
        .where(Trial.id == trial_id, Trial.reached_step <= last.step)
        .values(
            reached_step=last.step,
            reached_samples=last.cumulative_samples,
            reached_tokens=last.cumulative_tokens,
            reached_flops=last.cumulative_flops,
            reached_seconds=last.cumulative_seconds,
        )
    )


def keep_scores(connection: Connection, trial_id: int, evaluations: Sequence[EvaluationRecord]) -> None:
    """Keep the first and the last score on the benchmark that was evaluated first."""
    for each in evaluations:
        is_headline = (func.coalesce(Trial.headline_benchmark, each.benchmark) == each.benchmark) & (
            func.coalesce(Trial.headline_protocol, each.protocol) == each.protocol
        )
        connection.execute(
            update(Trial)
            .where(Trial.id == trial_id, is_headline)
            .values(
                headline_benchmark=each.benchmark,
                headline_protocol=each.protocol,
                first_score=func.coalesce(Trial.first_score, each.score),
                last_score=each.score,
            )
        )


def _progress_at(trial_id: int, step: int) -> dict[str, Any]:
    """The values of a trial's progress columns when its lineage ends at `step`."""

    def reached(column: str) -> ColumnElement[Any]:
        found = select(live_step.c[column]).where(live_step.c.trial_id == trial_id, live_step.c.step == step)
        return found.limit(1).scalar_subquery()

    scored = live_evaluation.c
    last_score = (
        select(scored.score)
        .where(
            scored.trial_id == trial_id,
            scored.benchmark == Trial.headline_benchmark,
            scored.protocol == Trial.headline_protocol,
        )
        .order_by(scored.step.desc(), scored.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return {
        "reached_step": step,
        "reached_samples": reached("cumulative_samples"),
        "reached_tokens": reached("cumulative_tokens"),
        "reached_flops": reached("cumulative_flops"),
        "reached_seconds": reached("cumulative_seconds"),
        "last_score": last_score,
        "first_score": case((last_score.is_(None), null()), else_=Trial.first_score),
    }
