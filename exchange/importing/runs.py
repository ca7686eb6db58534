"""From the rows of a file to its runs: which rows are of the same run, what the run is, its steps and its scores.

A run is what its `run` column names, else all rows with the same model, seed, tau and so on. Its name depends on its
own values alone, so that it is the same when the file has grown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.records import EvaluationRecord, ImportedRun, ModelRecord, StepRecord
from exchange.importing.evaluations import NUMBERS
from exchange.importing.field_values import FieldTable
from exchange.importing.fields import FIELDS, IDENTIFYING, STEP_COLUMNS
from exchange.importing.mapping import OF_MODEL
from exchange.importing.problems import ImportProblem
from exchange.importing.suggestions import unused

if TYPE_CHECKING:
    import pandas as pd

_RUN_FIELDS = tuple(name for name, field in FIELDS.items() if field.level == "run")
_OF_TRIAL = (
    "data", "algorithm", "seed", "group_size", "prompts_per_step", "updates_per_step", "learning_rate",
    "kl_coefficient", "tau",
)  # fmt: skip


def run_of_rows(fields: FieldTable) -> pd.Series[int]:
    """The number of each row's run, in order of appearance."""
    import pandas as pd

    frame = fields.frame
    if "run" in frame:
        fields.report(frame["run"].isna(), "run", "this row names no run.")
        return pd.Series(frame["run"].cat.codes.to_numpy(dtype="int64"), index=frame.index)
    keys = [key for key in IDENTIFYING if key in fields.columns]
    if not keys:
        return pd.Series(0, index=frame.index)
    return frame.groupby(keys, dropna=False, observed=True, sort=False).ngroup()


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of a file. They are made one at a time, each time they are asked for: a file may hold millions of rows.

    `facts` has a row a run, its index the run's number; `steps` and `evaluations` are ordered by run and step.
    """

    facts: pd.DataFrame
    steps: pd.DataFrame
    evaluations: pd.DataFrame

    def __len__(self) -> int:
        return len(self.facts)

    def __iter__(self) -> Iterator[ImportedRun]:
        step_rows = _Rows(self.steps, [name for name in self.steps if name != "run"])
        evaluation_rows = _Rows(self.evaluations, [name for name in self.evaluations if name not in ("run", "row")])
        for number, values in zip(self.facts.index, self.facts.to_dict("records"), strict=True):
            facts = {str(name): _plain(str(name), value) for name, value in values.items()}
            yield ImportedRun(
                name=facts["run"],
                model=ModelRecord(name=facts["model"], **{name: facts.get(name) for name in OF_MODEL}),
                **{name: facts.get(name) for name in _OF_TRIAL},
                steps=tuple(StepRecord(**row) for row in step_rows.of(number)),
                evaluations=tuple(EvaluationRecord(**row) for row in evaluation_rows.of(number)),
            )


def to_runs(fields: FieldTable, run: pd.Series[int], evaluations: pd.DataFrame) -> Runs:
    """The runs of a file whose rows are ordered by run and step. Reports runs that name no model."""
    facts = _facts(fields, run)
    return Runs(facts, _steps(fields, run), _renamed(evaluations))


def size_label(num_params: float) -> str:
    """7e9 -> 7B. All digits where three would not do: names of sizes that differ must differ."""
    for scale, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if num_params >= 0.1 * scale:
            text = f"{num_params / scale:.3g}"
            return f"{text}{unit}" if float(text) * scale == num_params else str(int(num_params))
    return str(int(num_params))


def _facts(fields: FieldTable, run: pd.Series[int]) -> pd.DataFrame:
    frame = fields.frame
    names = [name for name in _RUN_FIELDS if name in frame]
    plain = frame[names].astype({name: "object" for name in names if FIELDS[name].kind == "text"})
    facts = plain.groupby(run, sort=True).first() if names else plain.groupby(run).size().to_frame("rows")[[]]
    if "learning_rate" not in names and "step_learning_rate" in frame:
        # After warm-up: the peak of whatever schedule follows.
        facts["learning_rate"] = frame["step_learning_rate"].groupby(run).max()
    rows = facts.to_dict("records")
    models = [_model_name(row) for row in rows]
    if any(model is None for model in models):
        report_no_model(fields)
    facts["model"] = models
    if "run" not in facts:
        # A size that an option adds later makes no other run of the same rows.
        if "model" in names and "num_params" not in fields.columns:
            rows = [{name: value for name, value in row.items() if name != "num_params"} for row in rows]
        facts["run"] = [_run_name(row, model) for row, model in zip(rows, models, strict=True)]
    return facts


def names_runs(fields: FieldTable) -> bool:
    """Whether anything at all says which run a row is of, or which model was trained."""
    return any(name in fields.frame for name in ("run", "model", "num_params"))


def report_no_model(fields: FieldTable) -> None:
    """Ask for the model, and name the columns that may say it."""
    asked = "Map a column to model or num_params, or add --set model=NAME."
    columns = unused(fields.resolution.ignored) if fields.row_word == "line" else ""
    message = f"nothing says which model was trained. {asked}{columns}"
    fields.problems.append(ImportProblem(fields.source, message))


def _model_name(row: dict[Any, Any]) -> str | None:
    if _is_given(row.get("model")):
        return str(row["model"])
    if not _is_given(row.get("num_params")):
        return None
    parts = [row["variant"]] if _is_given(row.get("variant")) else []
    return "-".join([*parts, size_label(row["num_params"])])


def _run_name(row: dict[Any, Any], model: str | None) -> str:
    told = IDENTIFYING[1:] if _is_given(row.get("model")) else IDENTIFYING[3:]
    parts = [f"{name}={_worded(row[name])}" for name in told if _is_given(row.get(name))]
    return " ".join([str(model), *parts])


def _worded(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _is_given(value: object) -> bool:
    return value is not None and value == value  # noqa: PLR0124 - NaN is missing


def _plain(name: str, value: Any) -> Any:
    if not _is_given(value):
        return None
    return int(value) if FIELDS[name].kind == "count" else value


def _steps(fields: FieldTable, run: pd.Series[int]) -> pd.DataFrame:
    """One row a step, by record column; steps of which nothing but a score is known are left out."""
    frame = fields.frame
    names = [name for name in STEP_COLUMNS if name in frame]
    steps = frame[["step", *names]].assign(run=run)
    if steps.duplicated(["run", "step"]).any():
        steps = steps.groupby(["run", "step"], as_index=False, sort=True).first()
    steps = steps[(steps["step"] >= 1) & steps[names].notna().any(axis=1)]
    return steps.rename(columns=STEP_COLUMNS)


def _renamed(evaluations: pd.DataFrame) -> pd.DataFrame:
    """By record column, each score once."""
    once = evaluations.drop_duplicates(["run", "step", "benchmark", "protocol"])
    return once.rename(columns={name: FIELDS[name].column for name in NUMBERS})


class _Rows:
    """Rows of a table that is ordered by run, as keyword arguments of records; columns without values are left out."""

    def __init__(self, frame: pd.DataFrame, names: Sequence[Any]) -> None:
        import numpy as np

        self._runs = frame["run"].to_numpy()
        self._find = np.searchsorted
        self._columns = {str(name): frame[name] for name in names if frame[name].notna().any()}

    def of(self, run: int) -> list[dict[str, Any]]:
        """The rows of one run."""
        first, last = self._find(self._runs, run, "left"), self._find(self._runs, run, "right")
        columns = {name: _values(name, column.iloc[first:last]) for name, column in self._columns.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


_COUNTS = {field.column for field in FIELDS.values() if field.kind == "count"}


def _values(name: str, column: pd.Series[Any]) -> list[Any]:
    missing = column.isna()
    if not missing.any():
        return list((column.astype("int64") if name in _COUNTS else column).tolist())
    return [
        None if gone else int(value) if name in _COUNTS else value
        for value, gone in zip(column.tolist(), missing.tolist(), strict=True)
    ]
