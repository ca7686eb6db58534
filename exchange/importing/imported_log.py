"""From a table to what is imported: its runs, what its columns were taken for, and what was not taken.

All that is wrong with the table is raised at once, before a run is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db.records import ImportedFile
from exchange.importing.checks import check_evaluations, check_models, check_runs, check_steps
from exchange.importing.convert import check_range, to_fields
from exchange.importing.evaluations import to_evaluations
from exchange.importing.field_values import FieldTable
from exchange.importing.fields import CUMULATIVE, STEP_COLUMNS
from exchange.importing.log_table import LogTable
from exchange.importing.mapping import Request, require_columns, resolve
from exchange.importing.problems import ImportProblem, InvalidImport
from exchange.importing.run_config import keys_of, with_mapped_config
from exchange.importing.runs import Runs, names_runs, report_no_model, run_of_rows, to_runs
from exchange.importing.set_options import check_models_set, check_options_used, notes_on_options

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ImportedLog:
    """What one file holds. `mapping` has each used column with its field and unit; `ignored` the other columns.

    `config` has the keys of the run's configuration that were used, with field and value; `unused_config` the others.
    """

    file: ImportedFile
    runs: Runs
    mapping: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    config: tuple[tuple[str, str], ...] = ()
    unused_config: tuple[str, ...] = ()


def read_logs(tables: Iterable[LogTable], request: Request) -> list[ImportedLog]:
    """Give tables their meaning. InvalidImport lists what is wrong with any of them."""
    known = list(tables)
    columns = [
        *(str(name) for table in known for name in table.frame),
        *(key for table in known for key in keys_of(table)),
    ]
    require_columns(request, columns, _named([table.path for table in known]))
    problems: list[ImportProblem] = []
    converted = [_converted(with_mapped_config(table, request, problems), request) for table in known]
    problems += check_options_used(converted, request)
    problems += check_models_set(converted, request)
    logs = [_read_log(fields, request, problems) for fields in converted]
    if problems:
        raise InvalidImport(problems)
    return [log for log in logs if log is not None]


def _converted(table: LogTable, request: Request) -> FieldTable:
    resolution = resolve(request, [str(name) for name in table.frame], table.automatic)
    fields = to_fields(table, request, resolution)
    _derive(fields)
    return fields


def _read_log(fields: FieldTable, request: Request, problems: list[ImportProblem]) -> ImportedLog | None:
    table, resolution = fields.table, fields.resolution
    if not _has_steps(fields):
        problems += fields.problems
        return None
    fields, run = _ordered(fields)
    check_models(fields)
    evaluations = to_evaluations(fields, run)
    if not names_runs(fields):
        # Rows of many runs look like contradictions of one: nothing more is said until the runs are known.
        report_no_model(fields)
        problems += fields.problems
        return None
    check_runs(fields, run)
    check_steps(fields, run)
    check_evaluations(fields, run, evaluations)
    runs = to_runs(fields, run, evaluations)
    if not fields.problems and not len(runs.steps) and not len(runs.evaluations):
        fields.problems.append(_nothing_known(table))
    problems += fields.problems
    mapping = tuple((column, str(target)) for column, target in resolution.assigned.values())
    notes = (*table.notes, *fields.notes, *_notes_on_step_zero(fields), *notes_on_options(fields))
    used, unused = _config(fields)
    return ImportedLog(table.file(request), runs, mapping, resolution.ignored, notes, used, unused)


def _config(fields: FieldTable) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Which keys of the configuration were taken for which field, and which for none."""
    table, constants = fields.table, fields.request.constants
    taken = {name: keys for name, keys in table.from_config.items() if name not in constants}
    told = tuple((", ".join(keys), f"{name} = {_worded(table.facts[name])}") for name, keys in taken.items())
    used = {key for keys in taken.values() for key in keys}
    return told, tuple(key for key in table.config if key not in used)


def _worded(value: str | float) -> str:
    return f"{value:.10g}" if isinstance(value, float) else value


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
        check_range(fields, "samples")


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
