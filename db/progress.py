"""How a sweep that runs is doing: its pace, what it has paid against its plan, what failed last, who launches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, case, func, select

from db.reader import DriverRow, Reader
from db.spending import Spending, SpendingReader
from db.states import AttemptState
from db.tables import Attempt, Step, SweepTrial
from db.types import database_now

_STEPS = 20  # of each running trial, over which its pace is taken
_FAILURES = 5


@dataclass(frozen=True)
class Pace:
    """What all running trials do together, each at the pace of its last steps; None: none has taken two yet."""

    steps_per_minute: float | None
    samples_per_second: float | None
    completion_tokens_per_second: float | None


@dataclass(frozen=True)
class FailureRow:
    trial_id: int
    attempt: int
    failure_class: str
    message: str | None
    seconds_ago: float | None


@dataclass(frozen=True)
class SweepProgress:
    """`planned` are sums over the trials, None where one is not known; `num_gpus` are those of running attempts."""

    spent: Spending
    planned_flops: float | None
    planned_gpu_hours: float | None
    num_gpus: float
    pace: Pace
    failures: tuple[FailureRow, ...]
    driver: DriverRow


class ProgressReader:
    """Reads a sweep's progress again and again."""

    def __init__(self, engine: Engine, sweep_id: int) -> None:
        self._engine = engine
        self._sweep_id = sweep_id
        self._spending = SpendingReader(engine, sweep_id)

    def read(self) -> SweepProgress:
        with self._engine.connect() as connection:
            flops, gpu_hours = _planned(connection, self._sweep_id)
            running = connection.execute(
                select(Attempt.trial_id, Attempt.number, Attempt.num_gpus).where(
                    Attempt.sweep_id == self._sweep_id, Attempt.state == AttemptState.RUNNING
                )
            ).all()
            pace = _together([_pace(connection, row.trial_id, row.number) for row in running])
            failures = _failures(connection, self._sweep_id)
        return SweepProgress(
            spent=self._spending.read(),
            planned_flops=flops,
            planned_gpu_hours=gpu_hours,
            num_gpus=sum(row.num_gpus or 0.0 for row in running),
            pace=pace,
            failures=failures,
            driver=Reader(self._engine).driver(self._sweep_id),
        )


def _planned(connection: Connection, sweep_id: int) -> tuple[float | None, float | None]:
    """FLOPs and GPU-hours of all trials; a part must not pass for the whole."""
    flops, hours = SweepTrial.planned_flops, SweepTrial.planned_gpu_hours
    known = {"flops": func.count(flops) == func.count(), "hours": func.count(hours) == func.count()}
    sums = {"flops": case((known["flops"], func.sum(flops))), "hours": case((known["hours"], func.sum(hours)))}
    statement = select(*(column.label(name) for name, column in sums.items())).where(SweepTrial.sweep_id == sweep_id)
    found = connection.execute(statement).mappings().one()
    return found["flops"], found["hours"]


def _pace(connection: Connection, trial_id: int, attempt: int) -> Pace | None:
    last = (
        select(Step.recorded_at, Step.samples, Step.completion_tokens)
        .where(Step.trial_id == trial_id, Step.attempt == attempt)
        .order_by(Step.step.desc())
        .limit(_STEPS)
    )
    rows = connection.execute(last).all()
    seconds = (rows[0].recorded_at - rows[-1].recorded_at).total_seconds() if len(rows) > 1 else 0.0
    if seconds <= 0:
        return None
    taken = rows[:-1]  # the oldest one only says when the others began
    samples = sum(row.samples or 0 for row in taken) / seconds
    tokens = sum(row.completion_tokens or 0 for row in taken) / seconds
    return Pace(60 * len(taken) / seconds, samples, tokens)


def _together(paces: Sequence[Pace | None]) -> Pace:
    known = [pace for pace in paces if pace is not None]
    if not known:
        return Pace(None, None, None)
    sums = (sum(values) for values in zip(*(vars(pace).values() for pace in known), strict=True))
    return Pace(*sums)


def _failures(connection: Connection, sweep_id: int) -> tuple[FailureRow, ...]:
    failed = (
        select(Attempt.trial_id, Attempt.number, Attempt.failure_class, Attempt.message, Attempt.ended_at)
        .add_columns(database_now().label("now"))
        .where(Attempt.sweep_id == sweep_id, Attempt.failure_class.is_not(None))
        .order_by(Attempt.ended_at.desc(), Attempt.id.desc())
        .limit(_FAILURES)
    )
    return tuple(
        FailureRow(row.trial_id, row.number, row.failure_class, row.message, _seconds_between(row.ended_at, row.now))
        for row in connection.execute(failed)
    )


def _seconds_between(earlier: datetime | None, later: datetime) -> float | None:
    return None if earlier is None else (later - earlier).total_seconds()
