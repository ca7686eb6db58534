"""What the values of one file must be to each other: shares that add up, counts that fit scores, runs that go on.

Called on the rows of a file after each value was found possible by itself (see `convert`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.importing.field_values import FieldTable
from exchange.importing.fields import CUMULATIVE, FIELDS, STEP_COLUMNS
from exchange.importing.problems import ImportProblem

if TYPE_CHECKING:
    import pandas as pd

# Files round their numbers; half a unit of the third digit is not a contradiction.
_ROUNDING = 1e-3
_SCHEDULE = ", or a schedule to step_learning_rate."
_RUN_FIELDS = tuple(name for name, field in FIELDS.items() if field.level == "run" and name != "run")


def check_models(fields: FieldTable) -> None:
    """Embeddings are parameters too, so there are never fewer in all than without them."""
    frame = fields.frame
    if {"num_params", "total_params"} <= set(frame):
        more = frame["num_params"] > frame["total_params"]
        fields.report(more, "num_params", "{value} parameters without embeddings are more than total_params.")


def check_runs(fields: FieldTable, run: pd.Series[int]) -> None:
    """What describes a run as a whole has one value in it."""
    for key in _RUN_FIELDS:
        if key not in fields.columns:
            continue
        values = fields.frame[key]
        values = values.cat.codes.where(values.notna()) if FIELDS[key].kind == "text" else values
        by_run = values.groupby(run)
        changed = values.notna() & (values != by_run.transform("first"))
        fields.report(
            changed, key,
            f"{{value}}, but an earlier row of the same run has another {key}. Map what tells the runs apart to run"
            f"{_SCHEDULE if key == 'learning_rate' else '.'}",
        )  # fmt: skip


def check_steps(fields: FieldTable, run: pd.Series[int]) -> None:
    """A step has one value of everything, nothing but scores before the first, and totals never fall."""
    import pandas as pd

    frame = fields.frame
    keys = [key for key in STEP_COLUMNS if key in fields.columns]
    steps = [run, frame["step"]]
    repeated = pd.DataFrame({"run": run, "step": frame["step"]}).duplicated(keep=False)
    for key in keys:
        if repeated.any():
            first = frame[key].groupby(steps).transform("first")
            differs = repeated & frame[key].notna() & (frame[key] != first)
            fields.report(differs, key, f"{{value}}, but an earlier row of the same run and step has another {key}.")
        if key in CUMULATIVE:
            _check_total(fields, run, key)


def check_evaluations(fields: FieldTable, run: pd.Series[int], evaluations: pd.DataFrame) -> None:
    """Two scores of the same benchmark at the same step of a run must be the same score."""
    keys = ["run", "step", "benchmark", "protocol"]
    repeated = evaluations.duplicated(keys, keep=False)
    if not repeated.any():
        return
    rows = evaluations[repeated]
    for name in ("score", "problems", "samples_per_problem", "successes", "standard_error"):
        first = rows.groupby(keys, observed=True, dropna=False)[name].transform("first")
        differs = rows[name].notna() & (rows[name] != first)
        if differs.any():
            found = tuple(int(row) for row in rows.loc[differs, "row"])
            key = _key_in_file(fields, name, benchmark=str(rows.loc[differs, "benchmark"].iloc[0]), row=found[0])
            value = fields.shown(key, found[0]) if key else f"{rows.loc[differs, name].iloc[0]:.10g}"
            message = (
                f"{value}, but an earlier row of the same run, step and benchmark has another "
                f"{(key or name).partition('@')[0]}. Map what tells them apart: run, seed, benchmark or protocol."
            )
            column = fields.columns[key] if key else None
            fields.problems.append(ImportProblem(fields.source, message, fields.row_word, found, column))
            return


def _key_in_file(fields: FieldTable, name: str, *, benchmark: str, row: int) -> str | None:
    """The key of the column that a number of a score comes from: a score may be a test loss there, or counts."""
    names = ("score", "test_loss", "successes", "problems") if name == "score" else (name,)
    keys = [key for each in names for key in (f"{each}@{benchmark}", each) if key in fields.columns]
    return next((key for key in keys if fields.frame.loc[[row], key].notna().any()), None)


def check_scores(fields: FieldTable, evaluations: pd.DataFrame, columns: dict[str, str]) -> None:
    """Score and test loss add up to one, and successes are as many as the score says and the samples allow.

    `evaluations` has the rows of one benchmark's columns, with `columns` naming their keys in the file's fields.
    """

    def report(rows: pd.Series[bool], name: str, message: str) -> None:
        fields.report(rows.reindex(fields.frame.index, fill_value=False), columns[name], message)

    if {"score", "test_loss"} <= set(columns):
        total = evaluations["score"] + evaluations["test_loss"]
        report((total - 1).abs() > _ROUNDING, "test_loss", "{value} is not 1 - score in the same row. Leave one out.")
    if "successes" in columns:
        samples = evaluations["problems"] * evaluations["samples_per_problem"].fillna(1.0)
        many = evaluations["successes"] > samples
        report(many, "successes", "{value} successes are more than problems x samples_per_problem.")
        differs = (evaluations["successes"] / samples - evaluations["score"]).abs() > _ROUNDING
        report(
            differs & ~many, "successes", "{value} successes of that many samples are not the score in the same row."
        )


def _check_total(fields: FieldTable, run: pd.Series[int], key: str) -> None:
    frame = fields.frame
    at_zero = (frame["step"] == 0) & (frame[key] > 0)
    fields.report(
        at_zero, key,
        f"{{value}} at step 0, which is before the first step. If the file counts steps from 0: "
        f"--map {fields.columns.get('step', 'COLUMN')}=step:from-zero",
    )  # fmt: skip
    # The frame is ordered by run and step, so the last known total of the same run stands before each row's.
    known = frame[key].dropna()
    falls = known.groupby(run[known.index]).diff() < 0
    fields.report(
        falls.reindex(frame.index, fill_value=False),
        key,
        f"{{value}} is less than at an earlier step of the run; {key} is a total that never falls.",
    )
