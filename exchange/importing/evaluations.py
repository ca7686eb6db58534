"""The scores of a file, one row each, from a column per field (long form) or columns per benchmark (wide form).

Counts are derived only where they are certain: a benchmark's successes when every one of its scores is a whole
number of successes, a standard error when the counts are known and the file has none. Nothing else is filled in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exchange.importing.checks import check_scores
from exchange.importing.field_values import FieldTable
from exchange.importing.fields import COUNTS_BELOW, FIELDS
from exchange.importing.problems import ImportProblem, told_rows

if TYPE_CHECKING:
    import pandas as pd

UNSTATED_PROTOCOL = "unstated"
NUMBERS = (
    "score", "test_loss", "problems", "samples_per_problem", "successes", "standard_error", "evaluation_flops",
    "evaluation_seconds",
)  # fmt: skip
_MEASURED = ("score", "test_loss", "successes")
# Said once, these hold for every benchmark of a wide file.
_SHARED = ("problems", "samples_per_problem", "protocol")
# Scores are kept with so many digits at least that a fraction of a success shows.
_WHOLE = 1e-6


def to_evaluations(fields: FieldTable, run: pd.Series[int]) -> pd.DataFrame:
    """All scores, ordered by run and step; `row` is where each one is in the file."""
    import pandas as pd

    parts = [_of_benchmark(fields, run, benchmark) for benchmark in _benchmarks(fields)]
    columns = ["row", "run", "step", "benchmark", "protocol", *(name for name in NUMBERS if name != "test_loss")]
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype="float64") for name in columns})
    joined = pd.concat(parts, ignore_index=True)
    joined["benchmark"] = joined["benchmark"].astype("category")
    joined["protocol"] = joined["protocol"].astype("category")
    return joined.sort_values(["run", "step", "benchmark", "protocol"], kind="stable")[columns]


def measured_columns(fields: FieldTable) -> dict[str, str]:
    """Key -> column of everything that says how good a model was."""
    return {key: column for key, column in fields.columns.items() if key.partition("@")[0] in _MEASURED}


def unused_constants(fields: FieldTable) -> set[str]:
    """What the user set for scores and none of this file's scores takes."""
    benchmarks = _benchmarks(fields)
    used = {key for benchmark in benchmarks for key in _keys(fields, benchmark).values()}
    used |= {"benchmark"} if None in benchmarks else set()
    given = [key for key in fields.request.constants if FIELDS[key.partition("@")[0]].level == "evaluation"]
    return {key for key in given if key not in used}


def passed_over(fields: FieldTable, key: str) -> list[str]:
    """The columns of scores that have a benchmark or a protocol of their own where the user set one for all."""
    own = [name for name in _benchmarks(fields) if name and (key == "benchmark" or f"{key}@{name}" in fields.frame)]
    return [column for name, column in measured_columns(fields).items() if name.partition("@")[2] in own]


def _benchmarks(fields: FieldTable) -> list[str | None]:
    """The benchmarks that have columns of their own; None stands for the columns of the long form."""
    keys = [str(key) for key in fields.frame]
    wide = dict.fromkeys(key.partition("@")[2] for key in keys if "@" in key and key.partition("@")[0] in _MEASURED)
    return [*wide, *([None] if any(name in keys for name in _MEASURED) else [])]


def _of_benchmark(fields: FieldTable, run: pd.Series[int], benchmark: str | None) -> pd.DataFrame:
    """The scores of one benchmark, or of the long form; rows without a score are left out."""
    import numpy as np
    import pandas as pd

    keys = _keys(fields, benchmark)
    scores = pd.DataFrame({"run": run, "step": fields.frame["step"]})
    for name in NUMBERS:
        scores[name] = fields.frame[keys[name]] if name in keys else np.nan
    scores["benchmark"] = benchmark if benchmark is not None else _texts(fields, "benchmark")
    scores["protocol"] = (
        _texts(fields, keys["protocol"]).fillna(UNSTATED_PROTOCOL) if "protocol" in keys else UNSTATED_PROTOCOL
    )
    _complete_scores(scores)
    _note_missing(fields, scores, keys)
    scores = scores[scores["score"].notna() & scores["step"].notna()]
    if benchmark is None:
        _require_benchmark(fields, scores)
    check_scores(fields, scores, keys)
    _complete_counts(scores)
    return scores.rename_axis("row").reset_index()


def _keys(fields: FieldTable, benchmark: str | None) -> dict[str, str]:
    """Field name -> key in the frame, of this benchmark's own columns first."""
    keys = {}
    for name in (*NUMBERS, "protocol"):
        own = name if benchmark is None else f"{name}@{benchmark}"
        if own in fields.frame:
            keys[name] = own
        elif name in _SHARED and name in fields.frame:
            keys[name] = name
    return keys


def _texts(fields: FieldTable, key: str) -> pd.Series[str]:
    import pandas as pd

    if key not in fields.frame:
        return pd.Series(None, index=fields.frame.index, dtype="str")
    return fields.frame[key].astype("str").where(fields.frame[key].notna())


def _complete_scores(scores: pd.DataFrame) -> None:
    scores["score"] = scores["score"].fillna(1.0 - scores["test_loss"])
    counted = scores["successes"] / (scores["problems"] * scores["samples_per_problem"].fillna(1.0))
    scores["score"] = scores["score"].fillna(counted)


def _note_missing(fields: FieldTable, scores: pd.DataFrame, keys: dict[str, str]) -> None:
    """Which lines of a table have no score. A log of steps has one only where the model was evaluated."""
    columns = [keys[name] for name in _MEASURED if name in keys and keys[name] in fields.columns]
    missing = scores["score"].isna() & scores["step"].notna()
    if fields.row_word != "line" or not columns or not missing.any() or fields.doubtful & set(columns):
        return
    rows = sorted(int(row) for row in scores.index[missing.to_numpy()])
    names = " or ".join(fields.columns[key] for key in columns)
    fields.notes.append(f"{told_rows('line', rows)}: no {names}")


def _require_benchmark(fields: FieldTable, scores: pd.DataFrame) -> None:
    missing = scores["benchmark"].isna()
    if "benchmark" in fields.columns:
        fields.report(
            missing.reindex(fields.frame.index, fill_value=False), "benchmark", "this row has a score and no benchmark."
        )
    elif missing.any():
        message = (
            "nothing says which benchmark the scores are of. Add --set benchmark=NAME, or map a column to benchmark."
        )
        fields.problems.append(ImportProblem(fields.source, message))


def _complete_counts(scores: pd.DataFrame) -> None:
    """Successes from scores where they are whole, and the binomial error where there are counts and no error."""
    import numpy as np

    has_problems = scores["problems"].notna()
    assumed = scores["samples_per_problem"].fillna(1.0)
    samples = scores["problems"] * assumed
    exact = scores["score"] * samples
    is_whole = ((exact - exact.round()).abs() <= _WHOLE * samples.clip(upper=1e4)) & (samples < COUNTS_BELOW)
    benchmark = [scores["benchmark"], scores["protocol"]]
    all_whole = (is_whole | ~has_problems).groupby(benchmark, dropna=False, observed=True).transform("all")
    scores["successes"] = scores["successes"].fillna(exact.round().where(all_whole & has_problems))
    counted = scores["successes"].notna() & has_problems
    scores["samples_per_problem"] = scores["samples_per_problem"].mask(counted, assumed)
    binomial = np.sqrt(scores["score"] * (1.0 - scores["score"]) / samples)
    scores["standard_error"] = scores["standard_error"].fillna(binomial.where(counted))
