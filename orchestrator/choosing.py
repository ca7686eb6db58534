"""Which trials of a sweep a person means: by number, state, class of failure, and the values of columns and axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from db.errors import SpecError
from db.reader import TrialRow
from db.states import TrialState

# Columns of a trial that are chosen by, beside its axes.
COLUMNS = ("model", "seed", "num_params")


@dataclass(frozen=True)
class Choice:
    """What was asked for; what is empty does not matter. `where`: NAME=VALUE, or NAME=VALUE,VALUE."""

    trials: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    where: tuple[str, ...] = ()


def chosen(rows: Sequence[TrialRow], choice: Choice) -> list[TrialRow]:
    """The trials meant, in their order. SpecError for a value that no trial of the sweep has, naming what there is."""
    _require("--state", choice.states, [str(state) for state in TrialState])
    _require("--class", choice.classes, sorted({row.failure_class for row in rows if row.failure_class}))
    _require("trial", [str(trial) for trial in choice.trials], [str(row.trial_id) for row in rows])
    conditions = [_condition(each, rows) for each in choice.where]
    return [
        row
        for row in rows
        if (not choice.trials or row.trial_id in choice.trials)
        and (not choice.states or row.state in choice.states)
        and (not choice.classes or row.failure_class in choice.classes)
        and all(_value(row, name) in values for name, values in conditions)
    ]


def _condition(text: str, rows: Sequence[TrialRow]) -> tuple[str, list[str]]:
    name, separator, listed = text.partition("=")
    if not separator:
        raise SpecError(f"--where {text}: write it as NAME=VALUE, or NAME=VALUE,VALUE.")
    names = sorted({*COLUMNS, *(axis for row in rows for axis in row.axes)})
    _require("--where", [name], names)
    values = listed.split(",")
    _require(f"--where {name}", values, sorted({_value(row, name) for row in rows}))
    return name, values


def _value(row: TrialRow, name: str) -> str:
    value = row.axes.get(name, getattr(row, name, None))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _require(what: str, asked: Sequence[str], known: Sequence[str]) -> None:
    unknown = [each for each in asked if each not in known]
    if unknown:
        there = ", ".join(known) if known else "none"
        raise SpecError(f"{what} {unknown[0]}: no trial of this sweep has that. There are: {there}.")
