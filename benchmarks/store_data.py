"""Two made-up sweeps, as large as years of work leave behind: `all` holds every trial, `small` the first hundred.

The store registers them; what ran is written by a few statements, the same text for both databases. Fifty trials run at
a time, so that the rows of one are spread over the table as they are in practice. Each trial has a thousand steps, a
score before the first and after every tenth, and, if its number ends in 0, a second attempt that went on from step 500.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Engine, text

from benchmarks.databases import size_in_bytes
from db.connection.engines import begin_write
from db.store import PlanStore
from db.store.bulk import clock
from db.tables import Step
from db.upkeep.revisions import HEAD_REVISION
from tests.records import SWEEP, planned

ALL, SMALL = "all", "small"
STEPS, SMALL_TRIALS = 1000, 100
EVALUATIONS = 1 + STEPS // 10
_AT_A_TIME = 50

_ATTEMPTS = f"""
INSERT INTO attempt (
    trial_id, number, sweep_id, schema_revision, state, phase, host, pid, process_started_at, started_at,
    lease_expires_at, ended_at, resumed_from_step, live_through_step
)
SELECT t.id, n.number, :sweep_id, '{HEAD_REVISION}',
    CASE WHEN n.number = 1 AND t.id % 10 = 0 THEN 'lost' ELSE 'succeeded' END, 'training', 'node-1',
    1, :now, :now, :now, :now, {STEPS // 2} * (n.number - 1),
    CASE WHEN n.number = 1 AND t.id % 10 = 0 THEN {STEPS // 2} END
FROM trial t
JOIN (SELECT 1 AS number UNION ALL SELECT 2) n ON n.number = 1 OR t.id % 10 = 0
ORDER BY t.id, n.number
"""
_PROGRESS = f"""
UPDATE trial SET
    state = 'succeeded', attempts = CASE WHEN id % 10 = 0 THEN 2 ELSE 1 END, finished_at = :now,
    reached_step = {STEPS}, reached_samples = 64 * {STEPS}, reached_tokens = 6656 * {STEPS},
    reached_flops = 1e19 * {STEPS}, reached_seconds = 0.5 * {STEPS},
    headline_benchmark = 'heldout', headline_protocol = 'exact', first_score = 0.1, last_score = 0.5
"""
# What one block of trials did, step by step, its trials in turn.
_BLOCK = f"""
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {_AT_A_TIME * (STEPS + 1) - 1}),
block(trial_id, step) AS (SELECT :first_trial + i % {_AT_A_TIME}, i / {_AT_A_TIME} FROM n)
"""
_ATTEMPT = f"CASE WHEN trial_id % 10 = 0 AND step > {STEPS // 2} THEN 2 ELSE 1 END"
_EVALUATIONS = f"""
INSERT INTO evaluation (
    trial_id, attempt, step, recorded_at, benchmark, protocol, problems, score, standard_error, evaluation_flops,
    seconds
)
{_BLOCK}
SELECT trial_id, {_ATTEMPT}, step, :now, 'heldout', 'exact', 600, 0.1 + 0.0004 * step, 0.0123, 1.5e15, 1.7
FROM block WHERE step % 10 = 0
"""


@dataclass(frozen=True)
class Filled:
    """What was written, and what it takes."""

    trials: int
    steps: int
    step_bytes: float
    total_bytes: float


def fill(engine: Engine, *, trials: int) -> Filled:
    """Fill an empty database; `trials` is a multiple of fifty."""
    registered = PlanStore(engine).register(
        replace(SWEEP, name=ALL), [planned(i, data="d" * 30) for i in range(trials)]
    )
    PlanStore(engine).register(replace(SWEEP, name=SMALL), [planned(i) for i in range(SMALL_TRIALS)])
    first = min(registered.trial_ids)
    with begin_write(engine) as connection:
        known = {"now": clock(connection), "sweep_id": registered.sweep_id}
        connection.execute(text(_ATTEMPTS), known)
        connection.execute(text(_PROGRESS), known)
    before = size_in_bytes(engine)
    _run_blocks(engine, _steps(), range(first, first + trials, _AT_A_TIME))
    with_steps = size_in_bytes(engine)
    _run_blocks(engine, _EVALUATIONS, range(first, first + trials, _AT_A_TIME))
    _settle(engine)
    return Filled(trials, trials * STEPS, (with_steps - before) / (trials * STEPS), size_in_bytes(engine))


def _steps() -> str:
    columns = [column for column in Step.__table__.columns if column.name != "kl"]  # without a reference there is none
    listed, values = ", ".join(column.name for column in columns), ", ".join(_value(column) for column in columns)
    return f"INSERT INTO step ({listed}) {_BLOCK} SELECT {values} FROM block WHERE step > 0"


def _value(column: Column[Any]) -> str:
    """Numbers that take as many bytes as real ones: counts of a few thousand, and fractions with all their digits."""
    known = {
        "trial_id": "trial_id", "step": "step", "attempt": _ATTEMPT, "recorded_at": ":now", "flops_version": "1",
        "cumulative_samples": "64 * step", "cumulative_tokens": "6656 * step", "cumulative_seconds": "0.5037 * step",
        "cumulative_flops": "1.0000001e19 * step",
    }  # fmt: skip
    made_up = "512 + step" if isinstance(column.type, BigInteger) else "0.1234567 + 0.000012345678 * step"
    return known.get(column.name, made_up)


def _run_blocks(engine: Engine, statement: str, first_trials: range) -> None:
    """One transaction a block. References are not checked meanwhile: these rows are known to have them."""
    with engine.connect() as connection:
        for setting in _unchecked(connection):
            connection.exec_driver_sql(setting)
        connection.commit()
        known = {"now": clock(connection)}
        for first_trial in first_trials:
            connection.execute(text(statement), known | {"first_trial": first_trial})
            connection.commit()
        connection.invalidate()


def _unchecked(connection: Connection) -> Iterator[str]:
    if connection.dialect.name == "postgresql":
        yield "SET session_replication_role = replica"


def _settle(engine: Engine) -> None:
    """Do at once what the database does by itself in time: PostgreSQL's autovacuum, SQLite's checkpoint."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)" if sqlite else "VACUUM ANALYZE")
