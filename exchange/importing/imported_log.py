"""From a table to what is imported: its runs, what its columns were taken for, and what was not taken.

All that is wrong with the table is raised at once, before a run is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db.records import ImportedFile
from exchange.importing.checks import check_evaluations, check_models, check_runs, check_steps
from exchange.importing.convert import FieldTable, to_fields
from exchange.importing.evaluations import to_evaluations
from exchange.importing.fields import CUMULATIVE, STEP_COLUMNS
from exchange.importing.log_table import LogTable
from exchange.importing.mapping import Request, require_columns, resolve
from exchange.importing.problems import ImportProblem, InvalidImport
from exchange.importing.runs import Runs, run_of_rows, to_runs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ImportedLog:
    """What one file holds. `mapping` has each used column with its field and unit; `ignored` the other columns."""

    file: ImportedFile
    runs: Runs
    mapping: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]


def read_logs(tables: Iterable[LogTable], request: Request) -> list[ImportedLog]:
    """Give tables their meaning. InvalidImport lists what is wrong with any of them."""
    known = list(tables)
    require_columns(request, [str(name) for table in known for name in table.frame], _named([t.path for t in known]))
    problems: list[ImportProblem] = []
    logs = [_read_log(table, request, problems) for table in known]
    if problems:
        raise InvalidImport(problems)
    return [log for log in logs if log is not None]


def _read_log(table: LogTable, request: Request, problems: list[ImportProblem]) -> ImportedLog | None:
    resolution = resolve(request, [str(name) for name in table.frame], table.automatic)
    fields = to_fields(table, request, resolution)
    _derive(fields)
    if not _has_steps(fields):
        problems += fields.problems
        return None
    fields, run = _ordered(fields)
    check_models(fields)
    check_runs(fields, run)
    check_steps(fields, run)
    evaluations = to_evaluations(fields, run)
    check_evaluations(fields, run, evaluations)
    runs = to_runs(fields, run, evaluations)
    if not fields.problems and not len(runs.steps) and not len(runs.evaluations):
        fields.problems.append(_nothing_known(table))
    problems += fields.problems
    mapping = tuple((column, str(target)) for column, target in resolution.assigned.values())
    notes = (*table.notes, *_notes_on_step_zero(fields))
    return ImportedLog(table.file(request), runs, mapping, resolution.ignored, notes)


def _derive(fields: FieldTable) -> None:
    """Steps from prompts seen, or prompts seen from steps, where a step's number of prompts is given."""
    frame = fields.frame
    if "prompts_per_step" not in frame:
        return
    if "step" not in frame and "samples" in frame:
        steps = frame["samples"] / frame["prompts_per_step"]
        part = steps.notna() & (steps != steps.round())
        fields.report(
            part,
            "samples",
            "{value} samples are not a whole number of steps of prompts_per_step. Map a column to step.",
        )
        frame["step"] = steps.round()
    elif "step" in frame and "samples" not in frame:
        frame["samples"] = frame["step"] * frame["prompts_per_step"]


def _has_steps(fields: FieldTable) -> bool:
    if "step" not in fields.frame:
        columns = ", ".join(map(repr, [*fields.columns.values(), *fields.resolution.ignored]))
        message = (
            "no column says which step a row is of. Add --map COLUMN=step, or --map COLUMN=samples with "
            f"--set prompts_per_step=NUMBER. Columns: {columns}"
        )
        fields.problems.append(ImportProblem(fields.source, message))
        return False
    if "step" not in fields.doubtful:
        fields.report(fields.frame["step"].isna(), "step", "this row has no step.")
    return True


def _ordered(fields: FieldTable) -> tuple[FieldTable, pd.Series[int]]:
    run = run_of_rows(fields)
    frame = fields.frame.assign(_run=run).dropna(subset="step").sort_values(["_run", "step"], kind="stable")
    run = frame.pop("_run")
    return replace(fields, frame=frame), run


def _nothing_known(table: LogTable) -> ImportProblem:
    names = ", ".join(repr(str(name)) for name in list(table.frame)[:20])
    return ImportProblem(
        table.path, f"no column has a meaning beyond its step. Map some: --map COLUMN=FIELD. Columns: {names}"
    )


def _notes_on_step_zero(fields: FieldTable) -> tuple[str, ...]:
    """A step's own numbers at step 0 have no place; totals there are zero (see `checks`)."""
    names = [name for name in STEP_COLUMNS if name in fields.columns and name not in CUMULATIVE]
    at_zero = fields.frame.loc[fields.frame["step"] == 0, names]
    lost = [name for name in names if at_zero[name].notna().any()]
    if not lost:
        return ()
    column = fields.columns.get("step", "COLUMN")
    return (
        f"Step 0 is before the first step, so its {', '.join(lost)} are left out. If steps count from 0 there: "
        f"--map {column}=step:from-zero",
    )


def _named(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"none of the {len(paths)} files"
