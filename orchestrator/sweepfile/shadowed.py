"""What `--set` gives to `base` and an axis replaces in every trial: it would change nothing, without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.names import long_name
from orchestrator.sweepfile.problems import Path, SpecProblem, dotted
from orchestrator.sweepfile.yaml_source import YamlSource


def without_effect(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    """Values from the command line that are in no trial."""
    of_trials = [path for path in source.positions if path[:1] == ("base",) and len(path) > 1]
    given = [path for path in of_trials if source.positions[path].is_override]
    problems = []
    for place, values in _listed(axes):
        for path in given:
            if all(_is_replaced(path, source.data, by=str(place[-1]), value=value) for value in values):
                at = f"`{dotted(place)}` ({source.key_position(place)})"
                message = f"has no effect, since an axis gives it to every trial; change {at} instead"
                problems.append(SpecProblem(source.position(path), path, message))
    return problems


def _listed(axes: Axes) -> Iterator[tuple[Path, list[Any]]]:
    for name, values in axes.grid.items():
        yield ("axes", "grid", name), values
    for number, group in enumerate(axes.zip):
        yield from ((("axes", "zip", number, name), values) for name, values in group.items())


def _is_replaced(path: Path, data: Any, *, by: str, value: Any) -> bool:
    """Whether this value of an axis leaves nothing of what the data have at the path."""
    for part in path:
        data = data.get(part) if isinstance(data, Mapping) else None
    if isinstance(data, Mapping) and data:
        return False  # asked for each of its parts
    axis, name = long_name(by).split("."), long_name(dotted(path[1:])).split(".")
    if name[: len(axis)] != axis:
        return data is None and axis[: len(name)] == name
    for part in name[len(axis) :]:
        if not isinstance(value, Mapping) or part not in value:
            return not isinstance(value, Mapping)
        value = value[part]
    return True
