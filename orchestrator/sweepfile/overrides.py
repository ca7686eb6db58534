"""`--set key=value`: changing a sweep file from the command line, before it is checked.

A key is a dotted path from the file's root (`budgets.at`), or the short name of an axis or of a base value
(`seed`, `optimizer.learning_rate`). The value is YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.problems import InvalidSweep, Path, Position, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource, parse_yaml

_SECTIONS = tuple(SweepFile.model_fields)


def apply_overrides(source: YamlSource, overrides: Sequence[str]) -> None:
    """Change `source.data` in place. Raises InvalidSweep for an override that cannot be read or placed."""
    problems: list[SpecProblem] = []
    for override in overrides:
        try:
            _apply(source, override)
        except InvalidSweep as error:
            problems += error.problems
    if problems:
        raise InvalidSweep(problems)


def _apply(source: YamlSource, override: str) -> None:
    place = Position(f"--set {override}")
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise InvalidSweep([SpecProblem(place, (), "write it as key=value, such as seed=[1,2,3]")])
    value = parse_yaml(f"value: {text}", place.source).data["value"]
    path = _resolve(source.data, tuple(key.strip().split(".")))
    container = _container(source.data, path, place)
    container[str(path[-1])] = value
    for known in [p for p in source.positions if p[: len(path)] == path]:
        del source.positions[known]
    source.positions[path] = place


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


def _container(data: dict[str, Any], path: Path, place: Position) -> dict[str, Any]:
    """The mapping that holds the last part of `path`; missing mappings on the way are made."""
    current: Any = data
    for depth, part in enumerate(path[:-1]):
        if isinstance(part, int):  # a group of `zip`, which was found there
            current = current[part]
            continue
        current = current.setdefault(part, {})
        if not isinstance(current, dict) and not isinstance(path[depth + 1], int):
            at = ".".join(str(p) for p in path[: depth + 1])
            raise InvalidSweep([SpecProblem(place, (), f"{at} is not a mapping, so nothing in it can be set")])
    assert isinstance(current, dict)
    return current
