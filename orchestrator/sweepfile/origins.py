"""Who gives each value to the trials: a rule of `when`, an axis, the file, the algorithm, a preset, or nobody.

Trials may have a value from different places; all are named, in the order in which one wins over the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.sweepfile.algorithms import SETTINGS
from orchestrator.sweepfile.expand import ExpandedTrial
from orchestrator.sweepfile.grid import Choice
from orchestrator.sweepfile.names import long_name
from orchestrator.sweepfile.problems import Path, dotted
from orchestrator.sweepfile.yaml_source import YamlSource, paths_within
from workers.spec import OF_TASKS

_RULE, _AXIS, _FILE, _ALGORITHM, _PRESET, _DEFAULT = range(6)


@dataclass(frozen=True)
class _Given:
    """What an axis or a rule gives: under which name, which parts of a mapping, and where that is written."""

    name: tuple[str, ...]
    parts: tuple[Path, ...]
    place: Path


@dataclass(frozen=True)
class Kind:
    """Trials that have each of their values from the same place."""

    given: tuple[_Given, ...]
    algorithm: str
    has_task: bool


def kinds_of(trials: Iterable[ExpandedTrial]) -> list[Kind]:
    """The kinds, in the order of their first trials."""
    made = (
        Kind(
            tuple(given for name, choice in trial.combination.items() for given in _given(name, choice)),
            trial.spec.algorithm.name,
            trial.spec.data.task is not None,
        )
        for trial in trials
    )
    return list(dict.fromkeys(made))


def origin(path: Path, base: Mapping[str, Any], source: YamlSource, kinds: Iterable[Kind]) -> str:
    """Every place that gives the value of this path to some trial."""
    found = dict.fromkeys(_giver(path, base, source, kind) for kind in kinds)
    algorithms = ", ".join(place for rank, place in found if rank == _ALGORITHM)
    places = {(rank, f"algorithm {algorithms}" if rank == _ALGORITHM else place): None for rank, place in found}
    return "; else ".join(place for _, place in sorted(places, key=lambda each: each[0]))


def _given(name: str, choice: Choice) -> Iterator[_Given]:
    """What the axis gives, then what a rule has put over it."""
    if choice.below is not None:
        yield from _given(name, choice.below)
    place = choice.path[:5] if choice.path[1] == "when" else choice.path[:-1]  # without the number in a list
    parts = [part for part in paths_within(choice.value, ()) if not _is_of_below(part, choice)]
    yield _Given(tuple(long_name(name).split(".")), tuple(parts), place)


def _is_of_below(path: Path, choice: Choice) -> bool:
    one, other = choice.value, choice.below.value if choice.below else None
    for part in path:
        one, other = one[part], other.get(part) if isinstance(other, Mapping) else None
    return choice.below is not None and bool(one == other)


def _giver(path: Path, base: Mapping[str, Any], source: YamlSource, kind: Kind) -> tuple[int, str]:
    """The rank of who gives it to trials of this kind, and how he is called."""
    for given in reversed(kind.given):
        if _gives(given, path):
            rank, name = (_RULE, "when") if given.place[1] == "when" else (_AXIS, "axis")
            return rank, f"{name}, {source.key_position(given.place)}"
    written = _written(path, base) or (_written(("data", "tau"), base) if path == ("tau",) else None)
    if written and not source.position(written).is_preset:
        return _FILE, str(source.position(written))
    if dotted(path) in SETTINGS[kind.algorithm]:
        return _ALGORITHM, kind.algorithm
    gives_way = kind.has_task and path[:1] == ("data",) and path[1] not in OF_TASKS
    return (_PRESET, str(source.position(written))) if written and not gives_way else (_DEFAULT, "default")


def _gives(given: _Given, path: Path) -> bool:
    wanted = tuple(long_name(dotted(path)).split("."))
    if wanted[: len(given.name)] != given.name:
        return given.name[: len(wanted)] == wanted  # a value in a mapping that is shown as a whole
    return given.parts == ((),) or wanted[len(given.name) :] in given.parts


def _written(path: Path, base: Mapping[str, Any]) -> Path | None:
    """Where in the file a value of `base` is given, by itself or as a whole; None where it is not."""
    current: Any = base
    for length, part in enumerate(path, start=1):
        if not isinstance(current, Mapping) or part not in current:
            return None
        current = current[part]
        if not isinstance(current, Mapping):
            return ("base", *path[:length])
    return ("base", *path)
