"""What is wrong with axes before any of them are combined: names, lengths, and values that are given twice."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.names import overlap, unknown_value
from orchestrator.sweepfile.problems import Path, SpecProblem, dotted
from orchestrator.sweepfile.unsound import axes_of
from orchestrator.sweepfile.yaml_source import YamlSource


def unknown_axes(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    """Names of axes and of conditions that no trial has a value of."""
    places = axes_of(axes)
    for number, rule in enumerate(axes.when):
        places += [("axes", "when", number, "if", name) for name in rule.condition]
        places += [("axes", "when", number, "set", name) for name in rule.set]
    places += [("axes", "exclude", number, name) for number, pattern in enumerate(axes.exclude) for name in pattern]
    reasons = [(path, unknown_value(str(path[-1]))) for path in places]
    return [SpecProblem(source.key_position(path), path, reason) for path, reason in reasons if reason]


def names_of_values(problems: Iterable[SpecProblem]) -> set[str]:
    """The values of trials that problems of `base` and of axes speak of."""
    paths = [problem.path for problem in problems]
    of_axes = {"grid": 2, "zip": 3, "when": 4}
    places = [(path, of_axes.get(str(path[1]))) for path in paths if path[0] == "axes" and len(path) > 2]
    found = {str(path[place]) for path, place in places if place and len(path) > place and "if" not in path[:4]}
    return found | {dotted(path[1:]) for path in paths if path[0] == "base" and len(path) > 1}


def unsound_axes(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    """Axes that cannot be combined."""
    problems = [*_unequal_zips(axes, source), *_given_twice(axes_of(axes), "the axis `{}` on line {}", source)]
    for number, rule in enumerate(axes.when):
        places: list[Path] = [("axes", "when", number, "set", name) for name in rule.set]
        problems += _given_twice(places, "`{}` on line {}", source)
    return [*problems, *_values_given_twice(axes, source)]


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


def _given_twice(places: Iterable[Path], other_one: str, source: YamlSource) -> list[SpecProblem]:
    seen: dict[str, Path] = {}
    problems = []
    for path in places:
        name = str(path[-1])
        clash = next((other for other in seen if overlap(name, other)), None)
        if clash is not None:
            other = other_one.format(clash, source.key_position(seen[clash]).line)
            message = f"sets what {other} sets as well; take one of them out"
            problems.append(SpecProblem(source.key_position(path), path, message))
        seen.setdefault(name, path)
    return problems


def _values_given_twice(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    problems = []
    for name, values in axes.grid.items():
        first: dict[str, int] = {}
        for place, value in enumerate(values):
            if first.setdefault(repr(value), place) != place:
                path: Path = ("axes", "grid", name, place)
                message = f"{shown(value)} is given twice, which makes the same trial twice; take one of them out"
                problems.append(SpecProblem(source.position(path), path, message))
    return problems
