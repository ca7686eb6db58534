"""Which combinations of axis values a sweep has, in a fixed order, and where in the file each value stands.

`grid` axes are crossed; a group of `zip` is one more axis whose names change together; a rule of `when` gives other
values where its condition holds; `exclude` leaves combinations out. The order is that of nested loops, the first
axis of the file outermost.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from orchestrator.sweepfile.effective import EffectiveValues, is_among, matches, merged, value_of
from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.names import bears_on, closest, one_name, overlap, value_names
from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource


@dataclass(frozen=True)
class Choice:
    """One value of an axis, its place in the file, and the axis' own value where a rule's is put over that."""

    value: Any
    path: Path
    below: Choice | None = None


Combination: TypeAlias = dict[str, Choice]


@dataclass
class Combined:
    """The combinations in order; how many others rules of `when` have made equal to one of them; what is wrong."""

    combinations: list[Combination]
    num_made_equal: int = 0
    problems: list[SpecProblem] = field(default_factory=list)


def combine(axes: Axes, effective: EffectiveValues, source: YamlSource) -> Combined:
    """Every combination of sound axes' values, and what is wrong with the rules that change and leave out some."""
    made = Combined([_joined(parts) for parts in itertools.product(*_grid_axes(axes), *_zip_axes(axes))])
    for number, rule in enumerate(axes.when):
        path: Path = ("axes", "when", number)
        trials = [effective.of(values_of(each)) for each in made.combinations]
        holds = [matches(rule.condition, each) for each in trials]
        if not any(holds) and _written_together((*path, "if"), rule.condition, axes, source):
            made.problems.append(_never_holds((*path, "if"), rule.condition, trials, source))
        if not _change(made, holds, rule.set, path, source):
            return made
    for number, pattern in enumerate(axes.exclude):
        path = ("axes", "exclude", number)
        trials = [effective.of(values_of(each)) for each in made.combinations]
        kept = [each for each, trial in zip(made.combinations, trials, strict=True) if not matches(pattern, trial)]
        if len(kept) == len(trials) and _written_together(path, pattern, axes, source):
            made.problems.append(_never_holds(path, pattern, trials, source))
        made.combinations = kept
        if not kept:
            message = "leaves no trial at all" if number == 0 else "leaves no trial at all, with those before it"
            made.problems.append(SpecProblem(source.position(path), path, message))
            break
    return made


def values_of(combination: Combination) -> dict[str, Any]:
    """Its values by the names of their axes."""
    return {name: choice.value for name, choice in combination.items()}


def each_value_once(axes: Any) -> list[Combination]:
    """As few combinations as have every value of crossed and paired axes, for checking the values of broken axes."""
    listed: dict[str, list[Choice]] = {}
    for path, names in _mappings_of_axes(axes):
        for name, values in names.items():
            if isinstance(values, list) and values and name in value_names():
                choices = [Choice(value, (*path, name, place)) for place, value in enumerate(values)]
                listed.setdefault(one_name(name), choices)
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
        [{one_name(name): Choice(value, ("axes", "grid", name, place))} for place, value in enumerate(values)]
        for name, values in axes.grid.items()
    ]


def _zip_axes(axes: Axes) -> list[list[Combination]]:
    return [
        [
            {one_name(name): Choice(each[place], ("axes", "zip", number, name, place)) for name, each in group.items()}
            for place in range(len(next(iter(group.values()))))
        ]
        for number, group in enumerate(axes.zip)
    ]


def _joined(parts: Iterable[Combination]) -> Combination:
    return {name: choice for part in parts for name, choice in part.items()}


def _change(made: Combined, holds: Sequence[bool], given: Mapping[str, Any], path: Path, source: YamlSource) -> bool:
    """Give the values of a rule to the combinations for which it holds; whether that was possible.

    A rule that takes an axis' values away leaves one of several combinations for which it holds. One that becomes
    what another is for which the rule does not hold would be lost without anybody having said so.
    """
    pairs = list(zip(made.combinations, holds, strict=True))
    others = {_signature(each) for each, held in pairs if not held}
    changed: dict[str, Combination] = {}
    for old, held in pairs:
        for each in _with_values(old, given, path) if held else [old]:
            signature = _signature(each)
            changed.setdefault(signature, each)
            if held and signature in others:
                made.problems.append(_becomes_another(old, each, path, source))
                return False
    made.combinations = list(changed.values())
    made.num_made_equal += max(0, len(pairs) - len(changed))
    return True


def _with_values(combination: Combination, given: Mapping[str, Any], path: Path) -> list[Combination]:
    """What a rule that holds makes of a combination: one for each value it gives."""
    choices = []
    for name, value in given.items():
        at: Path = (*path, "set", name)
        listed = [Choice(each, (*at, i)) for i, each in enumerate(value)] if isinstance(value, list) else None
        old = combination.get(one_name(name))
        choices.append([{one_name(name): _put_over(old, choice)} for choice in listed or [Choice(value, at)]])
    # Of a mapping and a value in it, what is put last wins: the rule.
    rest = {
        name: choice
        for name, choice in combination.items()
        if name not in given or not any(overlap(name, other) for other in combination if other != name)
    }
    return [rest | _joined(parts) for parts in itertools.product(*choices)]


def _put_over(old: Choice | None, new: Choice) -> Choice:
    if old is None or not isinstance(old.value, Mapping) or not isinstance(new.value, Mapping):
        return new
    return Choice(merged(old.value, new.value), new.path, below=old)


def _signature(combination: Combination) -> str:
    return repr(sorted((name, repr(choice.value)) for name, choice in combination.items()))


def _becomes_another(old: Combination, new: Combination, path: Path, source: YamlSource) -> SpecProblem:
    one, other = (", ".join(f"{name}={choice.value}" for name, choice in each.items()) for each in (old, new))
    message = f"makes {one} the same as {other}, which is there already; leave it out by `exclude` if that is meant"
    return SpecProblem(source.position((*path, "set")), (*path, "set"), message)


def _written_together(path: Path, pattern: Mapping[str, Any], axes: Axes, source: YamlSource) -> bool:
    """Whether a pattern and all axes that bear on it are in one file.

    A pattern that leaves the axes of another file, or of the command line, as they are is not a mistake.
    """
    places: list[Path] = [("axes", "grid", name) for name in axes.grid]
    places += [("axes", "zip", number, name) for number, group in enumerate(axes.zip) for name in group]
    bearing = [place for place in places if any(bears_on(str(place[-1]), name) for name in pattern)]
    return len({source.position(place).source for place in (path, *bearing)}) == 1


def sources_of(name: str, made: Iterable[Combination], source: YamlSource) -> set[str]:
    """The files in which the axes are that bear on a value."""
    paths = {choice.path for each in made for axis, choice in each.items() if bears_on(axis, name)}
    return {source.position(path).source for path in paths}


def _never_holds(
    path: Path, pattern: Mapping[str, Any], trials: Sequence[Mapping[str, Any]], source: YamlSource
) -> SpecProblem:
    for name, wanted in pattern.items():
        if not any(is_among(wanted, name, each) for each in trials):
            return no_such_value((*path, name), wanted, trials, source)
    return SpecProblem(source.position(path), path, "holds for no combination of the axes: no trial is like this")


def no_such_value(path: Path, wanted: Any, trials: Iterable[Mapping[str, Any]], source: YamlSource) -> SpecProblem:
    """A condition that no trial meets; its name is the last of the path."""
    name = str(path[-1])
    found = list({repr(value): value for value in (value_of(name, each) for each in trials)}.values())
    listed = ", ".join(shown(value) for value in found[:8]) + (", ..." if len(found) > 8 else "")
    words = [value for value in found if isinstance(value, str)]
    close = closest(wanted, words) if isinstance(wanted, str) else None
    hint = f"; did you mean '{close}'?" if close else f"; the trials have {listed}"
    what = shown(wanted) if not isinstance(wanted, list) else f"any of {', '.join(map(shown, wanted))}"
    return SpecProblem(source.position(path), path, f"no trial has {name} {what}{hint}")
