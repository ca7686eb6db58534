"""From a file's columns to fields in our units: text, or numbers where NaN is missing.

Refuses text where a number belongs, numbers that are not finite, fractions where things are counted, values out of
their field's range, and text that is too long; every such value is reported, column by column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from exchange.importing.fields import FIELDS, Field
from exchange.importing.log_table import LogTable
from exchange.importing.mapping import Request, Resolution, Target, Value
from exchange.importing.problems import ImportProblem

if TYPE_CHECKING:
    import pandas as pd

    Mask: TypeAlias = pd.Series[bool]
    Numbers: TypeAlias = pd.Series[float]

_MISSING_WORDS = ("", "nan", "none", "null", "na", "n/a")
_LARGEST_COUNT = 2.0**63
_SMALLEST_MODEL = 1e4
_LARGEST_MODEL = 1e15
# Sizes said as a small number are billions, 0.5 or 72; as a larger one millions.
_SMALLEST_IN_MILLIONS = 2000.0
_MODEL_SIZES = ("num_params", "total_params", "nominal_params")


@dataclass(frozen=True, eq=False)
class FieldTable:
    """A table's rows by field: `frame` has one column per target key, numbers as floats and text as categories.

    `columns` gives each key's column in the file, for messages; keys that the user set, or that the file states as
    a fact of the whole run, have none. `doubtful` are the keys with a problem: nothing more is concluded from them.
    """

    source: str
    row_word: str
    frame: pd.DataFrame
    columns: dict[str, str]
    resolution: Resolution
    problems: list[ImportProblem] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)

    def report(self, rows: Mask, key: str, message: str) -> None:
        """Note a problem of `key` in the rows where `rows` is true; `{value}` in the message is the first one's."""
        found = self.frame.index[rows.to_numpy()]
        if len(found) == 0:
            return
        self.doubtful.add(key)
        value = self.frame.loc[found[0], key] if key in self.frame else None
        text = message.replace("{value}", _shown(value))
        at = self.columns.get(key)
        self.problems.append(
            ImportProblem(self.source, text, self.row_word, tuple(map(int, found)), at or f"--set {key}")
        )


def to_fields(table: LogTable, request: Request, resolution: Resolution) -> FieldTable:
    """The table's columns that have a meaning, in our units; what is wrong with them is in `problems`."""
    import pandas as pd

    columns = {key: column for key, (column, _) in resolution.assigned.items()}
    fields = FieldTable(table.path, table.row_word, pd.DataFrame(index=table.frame.index), columns, resolution)
    for key, (column, target) in resolution.assigned.items():
        fields.frame[key] = _converted(fields, table.frame[column], target, key)
    for key, value in _facts(table, request, resolution):
        fields.frame[key] = _repeated(value, fields.frame.index)
    for key in map(str, list(fields.frame)):
        _check_range(fields, key, FIELDS[key.partition("@")[0]])
    return fields


def _facts(table: LogTable, request: Request, resolution: Resolution) -> Iterator[tuple[str, Value]]:
    """What holds for every row: the user's word before the file's."""
    for key, value in ({**table.facts, **request.constants}).items():
        if key in request.constants or key not in resolution.assigned:
            yield key, value


def _repeated(value: Value, index: pd.Index[int]) -> pd.Series[Any]:
    import pandas as pd

    if isinstance(value, str):
        return pd.Series(pd.Categorical([value]).repeat(len(index)), index=index)
    return pd.Series(float(value), index=index)


def _converted(fields: FieldTable, column: pd.Series[Any], target: Target, key: str) -> pd.Series[Any]:
    if target.field.kind == "text":
        return _texts(column)
    return _numbers(fields, column, target, key)


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    texts = column.astype("str").where(column.notna()).str.strip()
    return texts.mask(texts == "").astype("category")


def _numbers(fields: FieldTable, column: pd.Series[Any], target: Target, key: str) -> Numbers:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        given = column.astype("str").where(column.notna()).str.strip()
        numbers = pd.to_numeric(given, errors="coerce").astype("float64")
        strange = numbers.isna() & given.notna() & ~given.str.lower().isin(_MISSING_WORDS)
        fields.frame[key] = given
        fields.report(
            strange, key, f"{{value}} is not a number, which {target.key} is. {_number_advice(given, strange)}"
        )
    else:
        numbers = column.astype("float64")
    return numbers * target.unit.scale + target.unit.offset


def _number_advice(given: pd.Series[str], strange: Mask) -> str:
    if strange.any() and "," in str(given[strange].iloc[0]):
        return "Write it with a decimal point and without a mark between thousands."
    return "Leave the cell empty if it is missing."


def _check_range(fields: FieldTable, key: str, meaning: Field) -> None:
    """Report what the field cannot be, and take it for missing from here on: one mistake is one problem."""
    import numpy as np

    values = fields.frame[key]
    if meaning.kind == "text":
        longest = values.astype("str").where(values.notna()).str.len() > meaning.longest
        fields.report(longest, key, f"{{value}} is longer than the {meaning.longest} characters that {key} may have.")
        return
    _reject(fields, key, np.isinf(values), "{value} is not finite. Leave the cell empty if it is missing.")
    if meaning.name in _MODEL_SIZES:
        _reject_model_sizes(fields, key)
    elif meaning.minimum is not None:
        least = f"at least {meaning.minimum:g}" if meaning.minimum else "0 or more"
        message = f"{{value}} is out of range: {key} is {least}."
        _reject(fields, key, fields.frame[key] < meaning.minimum, message)
    if meaning.kind == "count":
        _reject_counts(fields, key)
    if meaning.quantity == "share":
        _reject_shares(fields, key)


def _reject(fields: FieldTable, key: str, rows: Mask, message: str) -> None:
    fields.report(rows, key, message)
    fields.frame[key] = fields.frame[key].mask(rows)


def _reject_counts(fields: FieldTable, key: str) -> None:
    values = fields.frame[key]
    whole = values.round()
    # A unit's factor may leave a rounding error; a fraction of the things counted may not be.
    fraction = values.notna() & ((values - whole).abs() > 1e-6 * whole.abs().clip(lower=1.0))
    _reject(fields, key, fraction, f"{{value}} is not a whole number, which {key} is.")
    _reject(fields, key, values >= _LARGEST_COUNT, f"{{value}} is too large for {key}: is it FLOPs, or the unit wrong?")
    fields.frame[key] = fields.frame[key].round()


def _reject_shares(fields: FieldTable, key: str) -> None:
    values = fields.frame[key]
    given = values.dropna()
    percent = bool(len(given)) and bool(given.le(100).all()) and bool((given > 1).mean() > 0.5)
    column = fields.columns.get(key, "COLUMN")
    advice = f" Most values lie between 1 and 100: --map {column}={key}:percent" if percent else ""
    _reject(fields, key, values > 1, f"{{value}} is out of range: {key} is a share, from 0 to 1.{advice}")


def _reject_model_sizes(fields: FieldTable, key: str) -> None:
    values = fields.frame[key]
    small = values < _SMALLEST_MODEL
    unit = "billions" if bool((values[small] < _SMALLEST_IN_MILLIONS).all()) else "millions"
    given = f"--map {fields.columns[key]}={key}:{unit}" if key in fields.columns else f"--set {key}=NUMBER:{unit}"
    message = f"{{value}} parameters are too few for a language model. If these are {unit}: {given}"
    _reject(fields, key, small, message)
    _reject(fields, key, values > _LARGEST_MODEL, "{value} parameters are too many: is the unit applied twice?")


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else repr(value)


assert set(_MODEL_SIZES) <= set(FIELDS)
