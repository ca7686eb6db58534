"""What a run holds once a file has replaced it: the file's rows, and what was stored and the file does not speak of.

A file speaks of a field of steps, and of a benchmark under a protocol, if it has any value of it. What it speaks of is
the file's alone from then on, so that no curve is pieced together from two recordings that differ; the rest stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, Table, select

from db.records import EvaluationRecord, ImportedRun, StepRecord
from db.store.values import number_of
from db.views import live_evaluation, live_step

_STEP_VALUES = tuple(each.name for each in fields(StepRecord) if each.name != "step")
_EVALUATION_VALUES = tuple(
    each.name for each in fields(EvaluationRecord) if each.name not in ("data_set_sha256", "results")
)


@dataclass(frozen=True)
class Replacement:
    """The run with what stays of the stored one, and how many stored steps and scores the file has no values for.

    These count no more: a step is one of them if it loses any value.
    """

    run: ImportedRun
    lost_steps: int
    lost_evaluations: int


def replacement(connection: Connection, trial_id: int, run: ImportedRun) -> Replacement:
    """What a trial holds when the run replaces what its live lineage says of the same things."""
    steps, lost_steps = _steps(connection, trial_id, run.steps)
    evaluations, lost_evaluations = _evaluations(connection, trial_id, run.evaluations)
    return Replacement(replace(run, steps=steps, evaluations=evaluations), lost_steps, lost_evaluations)


def _steps(connection: Connection, trial_id: int, new: Sequence[StepRecord]) -> tuple[tuple[StepRecord, ...], int]:
    given = {record.step: _known(vars(record)) for record in new}
    spoken_of = {name for values in given.values() for name in values}
    merged, lost = dict(given), 0
    for row in _live(connection, live_step, trial_id, ("step", *_STEP_VALUES)):
        said = given.get(row["step"], {})
        kept = {name: value for name, value in _known(row).items() if name == "step" or name not in spoken_of}
        lost += any(name in spoken_of and name not in said for name in _known(row) if name != "step")
        if kept.keys() != {"step"}:
            merged[row["step"]] = kept | said
    return tuple(StepRecord(**merged[step]) for step in sorted(merged)), lost


def _evaluations(
    connection: Connection, trial_id: int, new: Sequence[EvaluationRecord]
) -> tuple[tuple[EvaluationRecord, ...], int]:
    spoken_of = {(each.benchmark, each.protocol) for each in new}
    given = {(each.step, each.benchmark, each.protocol) for each in new}
    kept, lost = [], 0
    for row in _live(connection, live_evaluation, trial_id, _EVALUATION_VALUES):
        if (row["benchmark"], row["protocol"]) not in spoken_of:
            kept.append(EvaluationRecord(**row))
        else:
            lost += (row["step"], row["benchmark"], row["protocol"]) not in given
    return (*kept, *new), lost


def _live(connection: Connection, view: Table, trial_id: int, names: Sequence[str]) -> list[dict[str, Any]]:
    statement = select(*(view.c[name] for name in names)).where(view.c.trial_id == trial_id)
    return [dict(row) for row in connection.execute(statement).mappings()]


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """The values that are not missing."""
    return {name: value for name, value in values.items() if number_of(value) is not None}
