"""What trials that ran here have shown: how far they came, how long their texts were, how fast they were.

For forecasts. Sums are over live steps and of native trials alone; what an imported log says of lengths and speed is
not known to mean the same. Nothing here writes, and nothing here knows what makes two trials of one kind: the caller
chooses the trials by their science.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Double, Engine, RowMapping, case, cast, func, select

from db.states import AttemptState, Origin
from db.tables import Attempt, Trial
from db.views import live_evaluation, live_step

Value = TypeVar("Value")

_AT_ONCE = 500  # trials in one statement
_HAS_RUN = (Trial.origin == Origin.NATIVE) & (Trial.reached_step > 0)


@dataclass(frozen=True)
class Reached:
    """How far a trial has come, in every unit of a budget; `seconds` are of training."""

    step: int
    samples: int
    tokens: int
    flops: float
    seconds: float


@dataclass(frozen=True)
class MeasuredAttempt:
    """What the live steps and evaluations of one attempt took, in all. None is not known.

    Tokens are those of all completions together, `scored_problems` those of all evaluations. `wall_seconds` are from
    its claim to its end: None while it runs, and where it was lost, of which nobody knows when that was. Of an attempt
    that is not `is_wholly_live` later attempts took steps again, so its wall time holds more than what is summed here.
    `execution` is what it was run with where that is not the default, `peak_memory_bytes` the most of any step, on one
    of its GPUs or of the host.
    """

    trial_id: int
    number: int
    execution: Mapping[str, Any] | None
    engine: str | None
    device: str | None
    num_gpus: float | None
    resumed_from_step: int | None
    wall_seconds: float | None
    is_wholly_live: bool
    steps: int
    completions: int | None
    prompt_tokens: float | None
    completion_tokens: float | None
    flops: float | None
    step_seconds: float | None
    peak_memory_bytes: int | None
    scored_problems: float | None
    evaluation_seconds: float | None


class Measurements:
    """Reads one database. Every method is one short read transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reached(self) -> dict[str, Reached]:
        """How far every trial has come that has a live step, by its science hash."""
        # Not as the tables' types say: with a step of its own a trial has them all.
        columns: list[ColumnElement[Any]] = [Trial.__table__.c[f"reached_{each.name}"] for each in fields(Reached)]
        statement = select(Trial.science_hash, *columns).where(_HAS_RUN)
        with self._engine.connect() as connection:
            return {science_hash: Reached(*so_far) for science_hash, *so_far in connection.execute(statement)}

    def scores(self, science_hashes: Iterable[str]) -> dict[str, dict[tuple[str, str], int]]:
        """How many live scores trials have, by science hash, then by benchmark and protocol."""
        score = live_evaluation.c
        statement = (
            select(Trial.science_hash, score.benchmark, score.protocol, func.count())
            .join(Trial, Trial.id == score.trial_id)
            .group_by(Trial.science_hash, score.benchmark, score.protocol)
        )
        found: dict[str, dict[tuple[str, str], int]] = {}
        with self._engine.connect() as connection:
            for chunk in _chunks(list(science_hashes)):
                for science_hash, *names, number in connection.execute(statement.where(Trial.science_hash.in_(chunk))):
                    found.setdefault(science_hash, {})[names[0], names[1]] = number
        return found

    def evaluation_flops(self, science_hashes: Iterable[str]) -> dict[str, float]:
        """FLOPs of the live scores of trials, by science hash; without trials of which one is not known."""
        score = live_evaluation.c
        statement = (
            select(Trial.science_hash, _whole(score.evaluation_flops))
            .join(Trial, Trial.id == score.trial_id)
            .group_by(Trial.science_hash)
        )
        found: dict[str, float] = {}
        with self._engine.connect() as connection:
            for chunk in _chunks(list(science_hashes)):
                rows = connection.execute(statement.where(Trial.science_hash.in_(chunk)))
                found |= {science_hash: flops for science_hash, flops in rows if flops is not None}
        return found

    def sciences(self) -> list[tuple[int, Mapping[str, Any]]]:
        """Number and canonical configuration of every trial with a live step, the newest first."""
        statement = select(Trial.id, Trial.science).where(_HAS_RUN).order_by(Trial.id.desc())
        with self._engine.connect() as connection:
            return [(row.id, row.science) for row in connection.execute(statement)]

    def attempts(self, trial_ids: Sequence[int]) -> list[MeasuredAttempt]:
        """The attempts with live steps of these trials, by trial and number."""
        return [attempt for chunk in _chunks(trial_ids) for attempt in self._attempts(chunk)]

    def _attempts(self, trial_ids: Sequence[int]) -> Iterator[MeasuredAttempt]:
        attempts = (
            select(*Attempt.__table__.columns, Trial.group_size)
            .join(Trial, Trial.id == Attempt.trial_id)
            .where(Attempt.trial_id.in_(trial_ids))
            .order_by(Attempt.trial_id, Attempt.number)
        )
        with self._engine.connect() as connection:
            steps = _by_attempt(connection.execute(_sums_of_steps(trial_ids)).mappings())
            evaluations = _by_attempt(connection.execute(_sums_of_evaluations(trial_ids)).mappings())
            for row in connection.execute(attempts).mappings().all():
                key = row["trial_id"], row["number"]
                if key in steps:
                    yield _measured(row, steps[key], evaluations.get(key))


def _sums_of_steps(trial_ids: Sequence[int]) -> Any:
    step = live_step.c
    flops = step.generation_flops + step.old_logprob_flops + step.reference_flops + step.train_flops
    return (
        select(
            step.trial_id,
            step.attempt,
            func.count().label("steps"),
            _whole(step.samples).label("samples"),
            _whole(step.prompt_tokens).label("prompt_tokens"),
            _whole(step.completion_tokens).label("completion_tokens"),
            _whole(flops).label("flops"),
            _whole(step.step_seconds).label("step_seconds"),
            func.max(step.peak_memory_bytes).label("peak_memory_bytes"),
        )
        .where(step.trial_id.in_(trial_ids))
        .group_by(step.trial_id, step.attempt)
    )


def _sums_of_evaluations(trial_ids: Sequence[int]) -> Any:
    evaluation = live_evaluation.c
    return (
        select(
            evaluation.trial_id,
            evaluation.attempt,
            _whole(evaluation.problems * func.coalesce(evaluation.samples_per_problem, 1)).label("scored_problems"),
            _whole(evaluation.seconds).label("evaluation_seconds"),
        )
        .where(evaluation.trial_id.in_(trial_ids))
        .group_by(evaluation.trial_id, evaluation.attempt)
    )


def _whole(value: ColumnElement[Any]) -> ColumnElement[float]:
    """The sum, or NULL where one is missing: a part must not pass for the whole."""
    return case((func.count(value) == func.count(), func.sum(cast(value, Double))))


def _by_attempt(rows: Iterable[RowMapping]) -> dict[tuple[int, int], RowMapping]:
    return {(row["trial_id"], row["attempt"]): row for row in rows}


def _measured(attempt: RowMapping, steps: RowMapping, evaluations: RowMapping | None) -> MeasuredAttempt:
    return MeasuredAttempt(
        trial_id=attempt["trial_id"],
        number=attempt["number"],
        execution=attempt["execution"],
        engine=attempt["engine"],
        device=attempt["device"],
        num_gpus=attempt["num_gpus"],
        resumed_from_step=attempt["resumed_from_step"],
        wall_seconds=_wall_seconds(attempt),
        is_wholly_live=attempt["live_through_step"] is None,
        steps=steps["steps"],
        completions=_times(steps["samples"], attempt["group_size"]),
        prompt_tokens=steps["prompt_tokens"],
        completion_tokens=steps["completion_tokens"],
        flops=steps["flops"],
        step_seconds=steps["step_seconds"],
        peak_memory_bytes=steps["peak_memory_bytes"],
        scored_problems=0.0 if evaluations is None else evaluations["scored_problems"],
        evaluation_seconds=0.0 if evaluations is None else evaluations["evaluation_seconds"],
    )


def _times(samples: float | None, group_size: int | None) -> int | None:
    return None if samples is None or group_size is None else round(samples * group_size)


def _wall_seconds(attempt: RowMapping) -> float | None:
    start: datetime = attempt["started_at"]
    end: datetime | None = attempt["ended_at"]
    return None if end is None or attempt["state"] == AttemptState.LOST else (end - start).total_seconds()


def _chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
