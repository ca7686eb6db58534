"""Which combinations of axis values a sweep has, in a fixed order, and where in the file each value stands.

`grid` axes are crossed; a group of `zip` is one more axis whose names change together; a rule of `when` gives other
values where its condition holds; `exclude` leaves combinations out. The order is that of nested loops, the first
axis of the file outermost.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.wording import shown
from orchestrator.sweepfile.yaml_source import YamlSource


@dataclass(frozen=True)
class Choice:
    """One value of an axis, and its place in the file."""

    value: Any
    path: Path


Combination: TypeAlias = dict[str, Choice]

_NOTHING = object()


def combinations(
    axes: Axes, base: Mapping[str, Any], source: YamlSource
) -> tuple[list[Combination], list[SpecProblem]]:
    """Every combination of the axes' values, and what is wrong with the axes themselves."""
    problems = [*_unequal_zips(axes, source), *_axes_given_twice(axes, source)]
    if problems:
        return [], problems
    made = [_joined(parts) for parts in itertools.product(*_grid_axes(axes), *_zip_axes(axes))]
    for number, rule in enumerate(axes.when):
        path: Path = ("axes", "when", number)
        if not any(_matches(each, rule.condition, base) for each in made):
            problems.append(SpecProblem(source.position((*path, "if")), (*path, "if"), "holds for no combination"))
        made = _without_repeats(
            each
            for old in made
            for each in (_apply(old, rule.set, path) if _matches(old, rule.condition, base) else [old])
        )
    for number, pattern in enumerate(axes.exclude):
        path = ("axes", "exclude", number)
        kept = [each for each in made if not _matches(each, pattern, base)]
        if len(kept) == len(made):
            problems.append(SpecProblem(source.position(path), path, "leaves nothing out: no combination is like this"))
        made = kept
    if not made and not problems:
        path = ("axes", "exclude")
        problems.append(SpecProblem(source.position(path), path, "leaves no trial at all"))
    return made, problems


def _grid_axes(axes: Axes) -> list[list[Combination]]:
    return [
        [{name: Choice(value, ("axes", "grid", name, place))} for place, value in enumerate(values)]
        for name, values in axes.grid.items()
    ]


def _zip_axes(axes: Axes) -> list[list[Combination]]:
    return [
        [
            {name: Choice(values[place], ("axes", "zip", number, name, place)) for name, values in group.items()}
            for place in range(len(next(iter(group.values()))))
        ]
        for number, group in enumerate(axes.zip)
    ]


def _joined(parts: Iterable[Combination]) -> Combination:
    return {name: choice for part in parts for name, choice in part.items()}


def _apply(combination: Combination, values: Mapping[str, Any], path: Path) -> list[Combination]:
    """What a rule that holds makes of a combination: one for each value it gives."""
    choices = []
    for name, value in values.items():
        at: Path = (*path, "set", name)
        listed = [Choice(each, (*at, i)) for i, each in enumerate(value)] if isinstance(value, list) else None
        choices.append([{name: choice} for choice in listed or [Choice(value, at)]])
    return [combination | _joined(parts) for parts in itertools.product(*choices)]


def _matches(combination: Combination, pattern: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    return matches({name: choice.value for name, choice in combination.items()}, pattern, base)


def matches(values: Mapping[str, Any], pattern: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    """Whether every name of the pattern has its value, or one of its list of values, among axes or in `base`."""
    for name, wanted in pattern.items():
        value = values[name] if name in values else _in_base(base, name)
        if value not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


def _in_base(base: Mapping[str, Any], name: str) -> Any:
    current: Any = base
    for part in name.split("."):
        current = current.get(part, _NOTHING) if isinstance(current, Mapping) else _NOTHING
    return current


def _without_repeats(made: Iterable[Combination]) -> list[Combination]:
    """A rule that replaces an axis' values leaves one combination where there were several."""
    seen: dict[str, Combination] = {}
    for combination in made:
        seen.setdefault(repr(sorted((name, repr(choice.value)) for name, choice in combination.items())), combination)
    return list(seen.values())


def _unequal_zips(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    problems = []
    for number, group in enumerate(axes.zip):
        first, *others = group.items()
        for name, values in others:
            if len(values) != len(first[1]):
                path: Path = ("axes", "zip", number, name)
                message = f"found {shown(values)}, expected {len(first[1])}, as many as `{first[0]}` beside it has"
                problems.append(SpecProblem(source.position(path), path, message))
    return problems


def _axes_given_twice(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    places: list[Path] = [("axes", "grid", name) for name in axes.grid]
    places += [("axes", "zip", number, name) for number, group in enumerate(axes.zip) for name in group]
    seen: dict[str, Path] = {}
    problems = []
    for path in places:
        name = str(path[-1])
        clash = next((n for n in seen if n == name or n.startswith(f"{name}.") or name.startswith(f"{n}.")), None)
        if clash is not None:
            line = source.key_position(seen[clash]).line
            message = f"sets what the axis `{clash}` on line {line} sets as well; take one of them out"
            problems.append(SpecProblem(source.key_position(path), path, message))
        seen.setdefault(name, path)
    return problems
