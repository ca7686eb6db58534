"""Which combinations of axis values a sweep has, in a fixed order, and where in the file each value stands.

`grid` axes are crossed; a group of `zip` is one more axis whose names change together; a rule of `when` gives other
values where its condition holds; `exclude` leaves combinations out. The order is that of nested loops, the first
axis of the file outermost.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.names import closest, default_of, value_names
from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource


@dataclass(frozen=True)
class Choice:
    """One value of an axis, and its place in the file."""

    value: Any
    path: Path


Combination: TypeAlias = dict[str, Choice]

_NOTHING = object()


def unsound_axes(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    """Axes that cannot be combined."""
    return [*_unequal_zips(axes, source), *_axes_given_twice(axes, source), *_values_given_twice(axes, source)]


def combinations(
    axes: Axes, base: Mapping[str, Any], source: YamlSource
) -> tuple[list[Combination], list[SpecProblem]]:
    """Every combination of sound axes' values, and what is wrong with the rules that change and leave out some."""
    problems: list[SpecProblem] = []
    made = [_joined(parts) for parts in itertools.product(*_grid_axes(axes), *_zip_axes(axes))]
    for number, rule in enumerate(axes.when):
        path: Path = ("axes", "when", number)
        holds = [_matches(each, rule.condition, base) for each in made]
        if not any(holds) and _written_together((*path, "if"), rule.condition, axes, source):
            problems.append(_never_holds((*path, "if"), rule.condition, made, base, source))
        pairs = zip(made, holds, strict=True)
        made = _without_repeats(
            each for old, held in pairs for each in (_apply(old, rule.set, path) if held else [old])
        )
    for number, pattern in enumerate(axes.exclude):
        path = ("axes", "exclude", number)
        kept = [each for each in made if not _matches(each, pattern, base)]
        if len(kept) == len(made) and _written_together(path, pattern, axes, source):
            problems.append(_never_holds(path, pattern, made, base, source))
        made = kept
        if not made:
            message = "leaves no trial at all" if number == 0 else "leaves no trial at all, with those before it"
            return [], [*problems, SpecProblem(source.position(path), path, message)]
    return made, problems


def each_value_once(axes: Any) -> list[Combination]:
    """As few combinations as have every value of crossed and paired axes, for checking the values of broken axes."""
    listed: dict[str, list[Choice]] = {}
    for path, names in _mappings_of_axes(axes):
        for name, values in names.items():
            if isinstance(values, list) and values and name in value_names():
                listed.setdefault(name, [Choice(value, (*path, name, i)) for i, value in enumerate(values)])
    longest = max(map(len, listed.values()), default=1)
    return [{name: made[min(i, len(made) - 1)] for name, made in listed.items()} for i in range(longest)]


def _mappings_of_axes(axes: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    if not isinstance(axes, dict):
        return
    groups = axes.get("zip")
    candidates: list[tuple[Path, Any]] = [(("axes", "grid"), axes.get("grid"))]
    candidates += [(("axes", "zip", i), group) for i, group in enumerate(groups if isinstance(groups, list) else [])]
    yield from ((path, names) for path, names in candidates if isinstance(names, dict))


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
    return matches(_values(combination), pattern, base)


def matches(values: Mapping[str, Any], pattern: Mapping[str, Any], base: Mapping[str, Any]) -> bool:
    """Whether every name of the pattern has its value, or one of its list of values, in a trial with these values.

    A value that neither an axis nor `base` gives is the default.
    """
    return all(
        value_of(name, values, base) in (wanted if isinstance(wanted, list) else [wanted])
        for name, wanted in pattern.items()
    )


def value_of(name: str, values: Mapping[str, Any], base: Mapping[str, Any]) -> Any:
    """A trial's value of that dotted name."""
    for spelling in _spellings(name):
        if spelling in values:
            return values[spelling]
    found = (_inside(base, spelling.split(".")) for spelling in _spellings(name))
    return next((value for value in found if value is not _NOTHING), default_of(name))


def _spellings(name: str) -> tuple[str, ...]:
    return ("tau", "data.tau") if name in ("tau", "data.tau") else (name,)


def _inside(mapping: Any, path: list[str]) -> Any:
    current: Any = mapping
    for part in path:
        current = current.get(part, _NOTHING) if isinstance(current, Mapping) else _NOTHING
    return current


def _written_together(path: Path, pattern: Mapping[str, Any], axes: Axes, source: YamlSource) -> bool:
    """Whether a pattern and all axes that it names are in one file.

    A pattern that leaves the axes of another file, or of the command line, as they are is not a mistake.
    """
    places = [path] + [("axes", "grid", name) for name in pattern if name in axes.grid]
    places += [("axes", "zip", i, name) for i, group in enumerate(axes.zip) for name in pattern if name in group]
    return len({source.position(place).source for place in places}) == 1


def _never_holds(
    path: Path, pattern: Mapping[str, Any], made: Sequence[Combination], base: Mapping[str, Any], source: YamlSource
) -> SpecProblem:
    for name, wanted in pattern.items():
        found = {repr(value): value for each in made for value in [value_of(name, _values(each), base)]}.values()
        if not any(value in (wanted if isinstance(wanted, list) else [wanted]) for value in found):
            return no_such_value((*path, name), wanted, list(found), source)
    return SpecProblem(source.position(path), path, "holds for no combination of the axes: no trial is like this")


def no_such_value(path: Path, wanted: Any, found: Sequence[Any], source: YamlSource) -> SpecProblem:
    """A condition that no trial meets."""
    listed = ", ".join(shown(value) for value in found[:8]) + (", ..." if len(found) > 8 else "")
    names = [str(value) for value in found if isinstance(value, str)]
    close = closest(wanted, names) if isinstance(wanted, str) else None
    hint = f"; did you mean '{close}'?" if close else f"; the trials have {listed}"
    what = shown(wanted) if not isinstance(wanted, list) else f"any of {', '.join(map(shown, wanted))}"
    return SpecProblem(source.position(path), path, f"no trial has {path[-1]} {what}{hint}")


def _values(combination: Combination) -> dict[str, Any]:
    return {name: choice.value for name, choice in combination.items()}


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
        clash = next((other for other in seen if _set_the_same(name, other)), None)
        if clash is not None:
            line = source.key_position(seen[clash]).line
            message = f"sets what the axis `{clash}` on line {line} sets as well; take one of them out"
            problems.append(SpecProblem(source.key_position(path), path, message))
        seen.setdefault(name, path)
    return problems


def _set_the_same(one: str, other: str) -> bool:
    pairs = itertools.product(_spellings(one), _spellings(other))
    return any(a == b or a.startswith(f"{b}.") or b.startswith(f"{a}.") for a, b in pairs)


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
