"""`--set key=value`: changing a sweep file from the command line, before it is checked.

A key is a dotted path from the file's root (`budgets.at`), or the short name of an axis or of a base value
(`seed`, `optimizer.learning_rate`). The value is YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.names import PRESET, nearest, value_names
from orchestrator.sweepfile.problems import InvalidSweep, Path, Position, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource, parse_yaml

_SECTIONS = tuple(SweepFile.model_fields)
_VALUES = (*Point.model_fields, PRESET)


def apply_overrides(source: YamlSource, overrides: Sequence[str]) -> None:
    """Change `source.data` in place; an override that cannot be read or placed becomes a problem of the source."""
    for override in overrides:
        try:
            _apply(source, override)
        except InvalidSweep as error:
            source.problems += error.problems


def _apply(source: YamlSource, override: str) -> None:
    place = Position(f"--set {override}")
    key, separator, text = (part.strip() for part in override.partition("="))
    if not separator or not key:
        raise _problem(place, "write it as key=value, such as seed=[1,2,3]")
    value = _value(text, place)
    path = _resolve(source.data, tuple(key.split(".")))
    if path[0] == "base" and path[1] not in _VALUES:
        raise _problem(place, f"`{key}` is not known here{_nearest(str(path[1]))}")
    container = _container(source, path, place)
    container[str(path[-1])] = value
    for places in (source.positions, source.key_positions):
        for known in [each for each in places if each[: len(path)] == path]:
            del places[known]
        places.update(dict.fromkeys(_paths_within(value, path), place))


def _paths_within(value: Any, path: Path) -> Iterator[Path]:
    """The path of a value, and those of all in it: what is given as a whole is given in its parts."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from _paths_within(part, (*path, name))


def _value(text: str, place: Position) -> Any:
    try:
        return parse_yaml(f"value: {text}", place.source).data["value"]
    except InvalidSweep as error:  # places in a line that nobody has written
        raise InvalidSweep([SpecProblem(place, (), problem.message) for problem in error.problems]) from None


def _nearest(word: str) -> str:
    homes = [each for each in value_names() if each.rpartition(".")[2] == word]
    return f"; did you mean {' or '.join(homes)}?" if homes else nearest(word, (*_SECTIONS, *_VALUES))


def _resolve(data: dict[str, Any], path: Path) -> Path:
    """The full path of a short one: an axis if there is one of that name, else a base value."""
    if path[0] in _SECTIONS:
        return path
    axes = data.get("axes")
    axis = ".".join(str(part) for part in path)
    return (_axis(axes, axis) if isinstance(axes, dict) else None) or ("base", *path)


def _axis(axes: dict[str, Any], name: str) -> Path | None:
    """Where the axis of that name is, crossed or paired."""
    grid, groups = axes.get("grid"), axes.get("zip")
    if isinstance(grid, dict) and name in grid:
        return ("axes", "grid", name)
    for number, group in enumerate(groups if isinstance(groups, list) else []):
        if isinstance(group, dict) and name in group:
            return ("axes", "zip", number, name)
    return None


def _container(source: YamlSource, path: Path, place: Position) -> dict[str, Any]:
    """The mapping that holds the last part of `path`; missing mappings on the way are made."""
    current: Any = source.data
    for depth, part in enumerate(path[:-1]):
        if isinstance(part, int):  # a group of `zip`, which was found there
            current = current[part]
            continue
        if current.get(part) is None:
            source.positions[path[: depth + 1]] = source.key_positions[path[: depth + 1]] = place
            current[part] = {}
        current = current[part]
        if not isinstance(current, dict) and not isinstance(path[depth + 1], int):
            at, kind = ".".join(str(p) for p in path[: depth + 1]), "is a list" if isinstance(current, list) else ""
            raise _problem(place, f"{at} {kind or 'is not a mapping'}, so nothing in it can be set; set all of {at}")
    assert isinstance(current, dict)
    return current


def _problem(place: Position, message: str) -> InvalidSweep:
    return InvalidSweep([SpecProblem(place, (), message)])
