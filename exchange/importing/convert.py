"""From a file's columns to fields in our units: text, or numbers where NaN is missing.

Refuses text where a number belongs, fractions where things are counted, values out of their field's range, counts that
are too large to be read exactly, and names that the database cannot keep; every such value is reported, column by
column, as the file has it. Infinity and, in a log, what is not a number are no measurements: they are taken for
missing, with a note, from whatever program they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from exchange.importing.field_values import FieldTable, Mask
from exchange.importing.fields import COUNTS_BELOW, FIELDS, Field
from exchange.importing.log_table import LogTable
from exchange.importing.mapping import OF_MODEL, Request, Resolution, Target, Value
from exchange.importing.problems import ImportProblem, told_rows

if TYPE_CHECKING:
    import pandas as pd

    Numbers: TypeAlias = pd.Series[float]

_MISSING_WORDS = ("", "nan", "none", "null", "na", "n/a")
_SMALLEST_MODEL = 1e4
_LARGEST_MODEL = 1e15
# Sizes said as a small number are billions, 0.5 or 72; as a larger one millions.
_SMALLEST_IN_MILLIONS = 2000.0
_MODEL_SIZES = ("num_params", "total_params", "nominal_params")


def to_fields(table: LogTable, request: Request, resolution: Resolution) -> FieldTable:
    """The table's columns that have a meaning, in our units; what is wrong with them is in `problems`."""
    import pandas as pd

    columns = {key: column for key, (column, _) in resolution.assigned.items()}
    fields = FieldTable(table, request, pd.DataFrame(index=table.frame.index), columns, resolution)
    for key, (column, target) in resolution.assigned.items():
        fields.frame[key] = _converted(fields, table.frame[column], target, key)
        _note_missing(fields, key, "not a number", table.not_numbers.get(column, ()))
        _check_benchmark(fields, column, target)
    for key, value in _facts(table, request, resolution):
        fields.frame[key] = _repeated(value, fields.frame.index)
    _set_for_models(fields, request)
    for key in map(str, list(fields.frame)):
        check_range(fields, key)
    return fields


def check_range(fields: FieldTable, key: str) -> None:
    """Report what the field cannot be, and take it for missing from here on: one mistake is one problem."""
    meaning = FIELDS[key.partition("@")[0]]
    if meaning.kind == "text":
        _check_names(fields, key, meaning)
    else:
        _check_numbers(fields, key, meaning)


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


def _set_for_models(fields: FieldTable, request: Request) -> None:
    """What the user said of a model, in its rows: before what the file says, and before what holds for every row."""
    import pandas as pd

    frame = fields.frame
    if not request.of_models or "model" not in frame:
        return
    models = frame["model"].astype("str")
    for key in OF_MODEL:
        given = {model: values[key] for model, values in request.of_models.items() if key in values}
        if not given:
            continue
        found = models.map(given)
        known = frame[key] if key in frame else pd.Series(index=frame.index, dtype="object")
        filled = found.where(found.notna(), known.astype("object"))
        frame[key] = filled.astype("category" if FIELDS[key].kind == "text" else "float64")


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
        fields.report(
            strange, key, f"{{value}} is not a number, which {target.key} is. {_number_advice(given, strange)}"
        )
    else:
        numbers = column.astype("float64")
    _reject_shares_as_percent(fields, numbers, target, key)
    return numbers * target.unit.scale + target.unit.offset


def _reject_shares_as_percent(fields: FieldTable, numbers: Numbers, target: Target, key: str) -> None:
    """Percent that are all 1 or less are shares: a hundredth of them would go unseen into every fit."""
    given = numbers.dropna()
    if target.unit.name != "percent" or not len(given) or given.max() > 1 or given.max() <= 0:
        return
    column = fields.columns[key]
    message = (
        f"no value is above 1 (the largest is {given.max():.10g}), so these are shares already, not percent. Leave "
        f":percent out: --map {column}={key}. If they are percent all the same: --map {column}={key}:0.01"
    )
    fields.doubtful.add(key)
    fields.problems.append(ImportProblem(fields.source, message, column=column))


def _number_advice(given: pd.Series[str], strange: Mask) -> str:
    if strange.any() and "," in str(given[strange].iloc[0]):
        return "Write it with a decimal point and without a mark between thousands."
    return "Leave the cell empty if it is missing."


def _check_names(fields: FieldTable, key: str, meaning: Field) -> None:
    values = fields.frame[key]
    for names, why in _unfit(map(str, values.cat.categories), meaning):
        fields.report(values.isin(names), key, f"{{value}} {why}")


def _check_benchmark(fields: FieldTable, column: str, target: Target) -> None:
    """A benchmark that a column's name says is a name as those that rows say."""
    for names, why in _unfit([target.benchmark or ""], FIELDS["benchmark"]):
        fields.problems.extend(ImportProblem(fields.source, f"{name!r} {why}", column=repr(column)) for name in names)


def _unfit(names: Iterable[str], meaning: Field) -> Iterator[tuple[list[str], str]]:
    """The names that the database cannot keep, by the reason."""
    known = list(names)
    too_long = [name for name in known if len(name) > meaning.longest]
    yield too_long, f"is longer than the {meaning.longest} characters that {meaning.name} may have."
    yield [name for name in known if "\0" in name], "has a NUL character in it."


def _check_numbers(fields: FieldTable, key: str, meaning: Field) -> None:
    import numpy as np

    infinite = np.isinf(fields.frame[key])
    _note_missing(fields, key, "infinite", [int(row) for row in fields.frame.index[infinite.to_numpy()]])
    fields.frame[key] = fields.frame[key].mask(infinite)
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


def _note_missing(fields: FieldTable, key: str, what: str, rows: Sequence[int]) -> None:
    if rows:
        where = told_rows(fields.row_word, rows)
        fields.notes.append(f"{where}: {fields.columns.get(key, key)} is {what}, which is kept as missing")


def _reject(fields: FieldTable, key: str, rows: Mask, message: str) -> None:
    fields.report(rows, key, message)
    fields.frame[key] = fields.frame[key].mask(rows)


def _reject_counts(fields: FieldTable, key: str) -> None:
    values = fields.frame[key]
    whole = values.round()
    # A unit's factor may leave a rounding error; a fraction of the things counted may not be.
    fraction = values.notna() & ((values - whole).abs() > 1e-6 * whole.abs().clip(lower=1.0))
    _reject(fields, key, fraction, f"{{value}} is not a whole number, which {key} is.")
    large = f"{{value}} is too large: {key} is below {COUNTS_BELOW:,.0f}. Is it FLOPs, or the unit wrong?"
    _reject(fields, key, values >= COUNTS_BELOW, large)
    fields.frame[key] = fields.frame[key].round()


def _reject_shares(fields: FieldTable, key: str) -> None:
    values = fields.frame[key]
    given = values.dropna()
    large = given[given > 1]
    advice = ""
    if len(large) and given.max() <= 100 and key in fields.columns:
        option = f"--map {fields.columns[key]}={key}:percent"
        most = len(large) > 0.5 * len(given)
        advice = f" Most values lie between 1 and 100: {option}" if most else f" If the column is in percent: {option}"
    _reject(fields, key, values > 1, f"{{value}} is out of range: {key} is a share, from 0 to 1.{advice}")


def _reject_model_sizes(fields: FieldTable, key: str) -> None:
    values = fields.frame[key]
    small = values < _SMALLEST_MODEL
    unit = "billions" if bool((values[small] < _SMALLEST_IN_MILLIONS).all()) else "millions"
    given = f"--map {fields.columns[key]}={key}:{unit}" if key in fields.columns else f"--set {key}=NUMBER:{unit}"
    message = f"{{value}} parameters are too few for a language model. If these are {unit}: {given}"
    _reject(fields, key, small, message)
    _reject(fields, key, values > _LARGEST_MODEL, "{value} parameters are too many: is the unit applied twice?")


assert set(_MODEL_SIZES) <= set(FIELDS)
