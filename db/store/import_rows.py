"""The rows of one imported run held against those that are stored: what is new, and what contradicts.

A value that the new file does not have contradicts nothing. A step belongs to the attempt that first brought it, with
its scores, whichever file those come from: the views join a score to the step of its own attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice, repeat
from typing import Any, TypeAlias

from sqlalchemy import Connection, or_, select

from db.records import EvaluationRecord, ImportedRun, StepRecord
from db.store.bulk import clock, insert_many
from db.store.import_outcome import Contradiction
from db.tables import Attempt, Evaluation, Step

Row: TypeAlias = dict[str, Any]
Record: TypeAlias = StepRecord | EvaluationRecord

_NOT_COLUMNS = ("data_set_sha256", "results")
_STEP_KEY = ("step",)
_EVALUATION_KEY = ("step", "benchmark", "protocol")
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Comparison:
    """New steps and evaluations by the attempt that they belong to (0: one of their own), and contradictions."""

    steps: dict[int, list[StepRecord]] = field(default_factory=dict)
    evaluations: dict[int, list[EvaluationRecord]] = field(default_factory=dict)
    contradictions: list[Contradiction] = field(default_factory=list)


def compare(connection: Connection, trial_id: int, run: ImportedRun) -> Comparison:
    """Hold a run against the stored rows of its trial's live lineage."""
    found = Comparison()
    steps = _Stored(connection, trial_id, Step, run.steps, key=_STEP_KEY)
    evaluations = _Stored(connection, trial_id, Evaluation, run.evaluations, key=_EVALUATION_KEY)
    home = steps.attempt_of_step | evaluations.attempt_of_step
    for step in steps.missing(run.name, found.contradictions):
        found.steps.setdefault(home.get(step.step, 0), []).append(step)
    for evaluation in evaluations.missing(run.name, found.contradictions):
        found.evaluations.setdefault(home.get(evaluation.step, 0), []).append(evaluation)
    return found


def insert_rows(
    connection: Connection,
    table: type[Step] | type[Evaluation],
    records: Iterable[Record],
    *,
    trial_id: int,
    attempt: int,
) -> int:
    """Write records as rows of an attempt; returns how many there were."""
    waiting, number = iter(records), 0
    recorded_at = clock(connection)
    while batch := list(islice(waiting, _ROWS_AT_ONCE)):
        columns = _columns(batch)
        names = ["trial_id", "attempt", "recorded_at", *columns]
        fixed = (repeat(trial_id), repeat(attempt), repeat(recorded_at))
        insert_many(connection, table, names, zip(*fixed, *columns.values(), strict=False))
        number += len(batch)
    return number


class _Stored:
    """The live rows of a trial, in the columns that the new records fill."""

    def __init__(
        self, connection: Connection, trial_id: int, table: type[Step] | type[Evaluation], records: Sequence[Any],
        *, key: tuple[str, ...],
    ) -> None:  # fmt: skip
        self._key = key
        self._records = records
        self._names = [name for name in _columns(records) if name not in key]
        columns = table.__table__.columns
        wanted = [columns["attempt"], *(columns[name] for name in (*key, *self._names))]
        live = or_(Attempt.live_through_step.is_(None), columns["step"] <= Attempt.live_through_step)
        rows = connection.execute(
            select(*wanted)
            .join(Attempt, (Attempt.trial_id == columns["trial_id"]) & (Attempt.number == columns["attempt"]))
            .where(columns["trial_id"] == trial_id, live)
        ).all()
        self.attempt_of_step: dict[int, int] = {}
        self._values: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        width = 1 + len(key)
        for row in rows:
            self.attempt_of_step[row[1]] = row[0]
            self._values[tuple(row[1:width])] = tuple(row[width:])

    def missing(self, run: str, contradictions: list[Contradiction]) -> Iterable[Any]:
        """The records that are not stored; those stored with other values are added to `contradictions`."""
        for record in self._records:
            given = vars(record)
            stored = self._values.get(tuple(given[name] for name in self._key))
            if stored is None:
                yield record
                continue
            for name, old in zip(self._names, stored, strict=True):
                new = _number(given[name])
                if new is not None and new != old:
                    contradictions.append(Contradiction(run, record.step, _told(name, given), old, new))


def _columns(records: Sequence[Any]) -> dict[str, list[Any]]:
    """The records' values by column; columns in which none has a value are left out, and so is what is no number."""
    if not records:
        return {}
    rows = [vars(record) for record in records]
    names = [each.name for each in fields(records[0]) if each.name not in _NOT_COLUMNS]
    found = ((name, [row[name] for row in rows]) for name in names)
    filled = {name: values for name, values in found if values.count(None) < len(values)}
    return {name: [None if each != each else each for each in values] for name, values in filled.items()}  # noqa: PLR0124


def _number(value: Any) -> Any:
    """The value, or None for what is not a number."""
    return value if value == value else None  # noqa: PLR0124


def _told(name: str, given: Row) -> str:
    return f"{name} on {given['benchmark']} ({given['protocol']})" if "benchmark" in given else name
