"""What `--map` and `--set` say, and which column of a file becomes which field.

    --map COLUMN=FIELD[@BENCHMARK][:UNIT]    a column, its field, its unit; COLUMN=- leaves it out
    --map config.KEY=FIELD[:UNIT]            the same for a key of a run's configuration
    --set FIELD[@BENCHMARK]=VALUE[:UNIT]     one value for every row
    --set FIELD.MODEL=VALUE[:UNIT]           one value for the rows of one model: --set num_params.Qwen2.5-7B=6.5e9

`@BENCHMARK` is for files with a column per benchmark: `--map gsm8k_acc=score@gsm8k:percent`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from exchange.importing.fields import ALIASES, FIELDS, Field
from exchange.importing.problems import ImportProblem, InvalidImport, nearest
from exchange.importing.units import OURS, Unit, unit_named

IGNORED = "-"
CONFIG = "config."
# What --set can say of each model of a file.
OF_MODEL = ("num_params", "total_params", "nominal_params", "family", "variant")
Value: TypeAlias = str | float


@dataclass(frozen=True)
class Target:
    """What a column is: a field, for files with a column per benchmark also which one, and the column's unit."""

    field: Field
    benchmark: str | None = None
    unit: Unit = OURS

    @property
    def key(self) -> str:
        """The field's name, with the benchmark if there is one: what no two columns may share."""
        return self.field.name if self.benchmark is None else f"{self.field.name}@{self.benchmark}"

    def __str__(self) -> str:
        return f"{self.key}:{self.unit.name}" if self.unit.name else self.key


@dataclass(frozen=True)
class Request:
    """The user's mapping. `columns` maps a column to its target, or to None to leave it out.

    `of_models` has, by model, what was set for it alone; `arguments` every argument as it was written.
    """

    columns: Mapping[str, Target | None] = field(default_factory=dict)
    constants: Mapping[str, Value] = field(default_factory=dict)
    of_models: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Resolution:
    """The columns of one file that have a meaning, by target key, and those that have none."""

    assigned: Mapping[str, tuple[str, Target]]
    ignored: tuple[str, ...]


def parse_request(maps: Sequence[str], sets: Sequence[str]) -> Request:
    """Read `--map` and `--set` arguments; InvalidImport lists everything that is wrong with them."""
    problems: list[ImportProblem] = []
    columns: dict[str, Target | None] = {}
    constants: dict[str, Value] = {}
    of_models: dict[str, dict[str, Value]] = {}
    arguments: dict[str, str] = {}
    for argument in maps:
        column, separator, text = argument.rpartition("=")
        try:
            if not separator or not column:
                raise ValueError("write it as COLUMN=FIELD")
            if column in columns:
                raise ValueError(f"column {column!r} is mapped already, to {arguments[column]}; one of them must go")
            columns[column] = None if text == IGNORED else parse_target(text)
            arguments[column] = text
        except ValueError as error:
            problems.append(ImportProblem(f"--map {argument}", _sentence(error)))
    for argument in sets:
        try:
            key, model, value = _constant(argument)
            option = _set_option(key, model)
            if option in arguments:
                raise ValueError(f"it is set already, to {arguments[option]}; one of them must go")
            (constants if model is None else of_models.setdefault(model, {}))[key] = value
            arguments[option] = argument.partition("=")[2]
        except ValueError as error:
            problems.append(ImportProblem(f"--set {argument}", _sentence(error)))
    problems += _collisions(columns, constants)
    if problems:
        raise InvalidImport(problems)
    return Request(columns, constants, of_models, arguments)


def parse_target(text: str) -> Target:
    """`score@gsm8k:percent` -> its target. ValueError with the nearest known name if it is none."""
    address, _, unit = text.partition(":")
    name, at, benchmark = address.partition("@")
    name = ALIASES.get(name, name)
    if name not in FIELDS:
        hint = nearest(name, [*FIELDS, *ALIASES]) or f" Fields are {', '.join(FIELDS)}"
        raise ValueError(f"{name!r} is not a field.{hint}")
    known = FIELDS[name]
    if at and (known.level != "evaluation" or name == "benchmark" or not benchmark):
        raise ValueError(f"{address!r}: only fields of an evaluation take @BENCHMARK, as in score@gsm8k")
    if unit and known.kind == "text":
        raise ValueError(f"{name} is text and has no unit")
    return Target(known, benchmark if at else None, unit_named(unit, known.quantity) if unit else OURS)


def own_names(columns: Iterable[str]) -> dict[str, Target]:
    """Targets of the columns that are named like fields."""
    found = {}
    for column in columns:
        address = column.strip()
        if ALIASES.get(address.partition("@")[0], address.partition("@")[0]) in FIELDS:
            try:
                found[column] = parse_target(address)
            except ValueError:
                continue  # only looks like a field: an unknown column like any other
    return found


def resolve(request: Request, columns: Sequence[str], automatic: Mapping[str, Target]) -> Resolution:
    """Give each column its target: what the user said, else what the format's own names say.

    Where several automatic names mean the same field, the first of `automatic` that is there counts.
    """
    present = set(columns)
    assigned = {
        target.key: (column, target) for column, target in request.columns.items() if target and column in present
    }
    for column, target in automatic.items():
        if column in present and column not in request.columns and target.key not in request.constants:
            assigned.setdefault(target.key, (column, target))
    used = {column for column, _ in assigned.values()}
    return Resolution(assigned, tuple(column for column in columns if column not in used))


def require_columns(request: Request, columns: Iterable[str], source: str) -> None:
    """InvalidImport for every column of `--map` that no file has."""
    known = list(dict.fromkeys(columns))
    problems = [
        ImportProblem(f"--map {column}=...", f"{source} has no column {column!r}.{nearest(column, known)}")
        for column in request.columns
        if column not in known
    ]
    if problems:
        raise InvalidImport(problems)


def option_of(request: Request, key: str, model: object) -> str | None:
    """The `--set` option that a key's value comes from, in a row of that model; None if from none."""
    if key in request.of_models.get(str(model), {}):
        return _set_option(key, str(model))
    return _set_option(key, None) if key in request.constants else None


def _set_option(key: str, model: str | None) -> str:
    return f"--set {key}" if model is None else f"--set {key}.{model}"


def _constant(argument: str) -> tuple[str, str | None, Value]:
    """Key, model that it is for (None: every row) and value of a `--set` argument."""
    address, separator, text = argument.partition("=")
    if not separator or not address:
        raise ValueError("write it as FIELD=VALUE")
    name, dot, model = address.partition(".")
    if not dot or not model or name not in OF_MODEL:
        target = parse_target(address)
        return target.key, None, _value(target, text)
    return name, model, _value(parse_target(name), text)


def _value(target: Target, text: str) -> Value:
    if target.field.name in ("step", "score", "test_loss", "successes"):
        raise ValueError(f"{target.field.name} differs from row to row and cannot be set for all of them")
    if target.field.kind == "text":
        if not text:
            raise ValueError("the value is empty")
        return text
    number, _, unit_name = text.partition(":")
    unit = unit_named(unit_name, target.field.quantity) if unit_name else target.unit
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{number!r} is not a number")
    return value * unit.scale + unit.offset


def _sentence(error: ValueError) -> str:
    text = str(error)
    return text if text.endswith("?") else f"{text}."


def _collisions(columns: Mapping[str, Target | None], constants: Mapping[str, Value]) -> list[ImportProblem]:
    problems, owners = [], {key: f"--set {key}" for key in constants}
    for column, target in columns.items():
        if target is not None and owners.setdefault(target.key, column) != column:
            message = f"{target.key} is given by {owners[target.key]} already; one of them must go."
            problems.append(ImportProblem(f"--map {column}={target}", message))
    return problems
