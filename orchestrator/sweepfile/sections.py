"""The sections of a sweep file, each checked apart: what is wrong in one hides nothing of the others.

A part that is wrong is replaced by one that does no harm, and the file is checked again, until nothing new is found.
What is then said of such a stand-in, or only because of one, is not the writer's mistake and is left out.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.names import closest
from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.wording import as_written, problems_of
from orchestrator.sweepfile.yaml_source import YamlSource

# Budgets that no check of trials can find too many or too few.
_HARMLESS: dict[str, Any] = {
    "name": "x",
    "base": {},
    "budgets": {"unit": "flops", "at": [1]},
    "evaluations": [{"benchmark": "heldout"}],
}
_NOBODYS = "?"  # a name that no trial has a value of: rules about it say nothing
_MOST_ROUNDS = 6
_WORD = re.compile(r"`(\w+)[^`]*`|(\w+) (?=[-.\d])")


@dataclass
class Sections:
    """The sections, whose wrong parts have been replaced; where these were; and what is wrong."""

    sweep: SweepFile
    replaced: list[Path] = field(default_factory=list)
    problems: list[SpecProblem] = field(default_factory=list)


def read_sections(source: YamlSource) -> Sections:
    """The sections of a file and of all that it extends."""
    data, replaced, problems = source.data, list[Path](), list[SpecProblem]()
    for _ in range(_MOST_ROUNDS):
        try:
            return Sections(SweepFile.model_validate(data), replaced, problems)
        except ValidationError as error:
            found = problems_of(error, source, prefix=(), model=SweepFile)
            problems += [each for each in found if not is_consequence(each, replaced)]
            data = copy.deepcopy(data) if data is source.data else data
            places = [_replace(data, each["loc"], is_missing=each["type"] == "missing") for each in error.errors()]
            replaced += [as_written(path, source) for path in places]
    usable = {name: section for name, section in data.items() if (name,) not in replaced}
    for name in {str(path[0]) for path in replaced} - _HARMLESS.keys():
        usable.pop(name, None)
    return Sections(SweepFile.model_validate(usable | _HARMLESS), [*replaced, *((name,) for name in data)], problems)


def is_consequence(problem: SpecProblem, replaced: Collection[Path]) -> bool:
    """Whether a problem is one of a stand-in, or is only said because one is there."""
    if any(problem.path[: len(path)] == path for path in replaced):
        return True
    beside = [str(path[-1]) for path in replaced if path[:-1] == problem.path[: len(path) - 1]]
    return is_said_of(problem, beside)


def is_said_of(problem: SpecProblem, names: Collection[str]) -> bool:
    """Whether a problem may be only one of these fields, with which others do not go together, or misspelt."""
    if problem.is_of_a_missing_value:
        return any(closest(name, [str(problem.path[-1])]) for name in names)
    return problem.is_of_several and _mentions(problem.message, names)


def _mentions(reason: str, names: Collection[str]) -> bool:
    """Whether a reason speaks of one of these fields, or of what one of them was probably meant to be."""
    return any(word in names or any(closest(name, [word]) for name in names) for word in mentioned(reason))


def mentioned(reason: str) -> set[str]:
    """The words between backticks, and those that a number follows."""
    return {word for match in _WORD.finditer(reason) for word in match.groups() if word}


def _replace(data: dict[str, Any], loc: Path, *, is_missing: bool) -> Path:
    """Put something harmless in the place of what is wrong; where that is."""
    section = str(loc[0])
    if section == "resources" and isinstance(data.get(section), dict):
        data[section] = [data[section]]
    path = _as_far_as_there_is(data, loc[:-1] if is_missing and len(loc) > 1 else loc)
    special = _SPECIAL.get(section)
    replaced = special(data, path) if special and len(path) > 1 else None
    if replaced is None:
        replaced = _drop(data, path if section not in _HARMLESS else path[:1])
    if replaced == (section,) and section in _HARMLESS:
        data[section] = _HARMLESS[section]
    return replaced


def _as_far_as_there_is(data: Any, loc: Path) -> Path:
    """Pydantic puts the names of types behind a place."""
    current: Any = data
    for length, part in enumerate(loc):
        try:
            current = current[part]
        except (LookupError, TypeError):
            return loc[: max(length, 1)]
    return loc


def _drop(data: dict[str, Any], path: Path) -> Path:
    """Without the last key of the path, and the list that it may hold."""
    length = max(number for number, part in enumerate(path, start=1) if isinstance(part, str))
    holder: Any = data
    for part in path[: length - 1]:
        holder = holder[part]
    holder.pop(path[length - 1], None)
    return path[:length]


def _in_models(data: dict[str, Any], path: Path) -> Path | None:
    """Another stand-in for each, or trials would seem to be the same."""
    if len(path) > 2 and path[2] not in ("source", "made", "revision"):
        return None
    number = list(data["models"]).index(path[1])
    data["models"][path[1]] = {"source": f"organisation/{number}"}
    return path[:2]


def _in_budgets(data: dict[str, Any], path: Path) -> Path | None:
    return _drop(data, path) if path[1] not in ("unit", "at") else None


def _in_evaluations(data: dict[str, Any], path: Path) -> Path | None:
    """A place in the list is kept by an entry like no other."""
    if len(path) > 2 and path[2] != "benchmark":
        return _drop(data, path)
    place = path[1]
    if not isinstance(place, int):
        return None
    data["evaluations"][place] = {"method": "sampled", "samples": 10**9 + place}
    return path[:2]


def _in_resources(data: dict[str, Any], path: Path) -> Path | None:
    """Of an entry whose values do not go together its condition stays, and what no other value has to go with."""
    rules, place = data["resources"], path[1]
    if len(path) > 2 and path[2] != "if":
        return None
    if len(path) == 2 and isinstance(rules[place], dict):
        rules[place] = {name: value for name, value in rules[place].items() if name in ("if", "micro_batch")}
        return (*path, _NOBODYS)
    rules[place] = {"if": {_NOBODYS: 0}}
    return path[:2]


def _in_axes(data: dict[str, Any], path: Path) -> Path | None:
    axes, kind = data["axes"], path[1]
    if kind == "grid" and len(path) > 2:
        axes[kind].pop(path[2], None)
        return path[:3]
    if kind not in ("zip", "when", "exclude") or len(path) < 3:
        return None
    if kind == "zip" and len(path) > 3 and len(axes[kind][path[2]]) > 1:
        axes[kind][path[2]].pop(path[3], None)
        return path[:4]
    stand_ins = {"zip": {_NOBODYS: [0]}, "when": {"if": {_NOBODYS: 0}, "set": {_NOBODYS: 0}}, "exclude": {_NOBODYS: 0}}
    axes[kind][path[2]] = stand_ins[str(kind)]
    return path[:3]


_SPECIAL: dict[str, Callable[[dict[str, Any], Path], Path | None]] = {
    "models": _in_models,
    "budgets": _in_budgets,
    "evaluations": _in_evaluations,
    "resources": _in_resources,
    "axes": _in_axes,
}
