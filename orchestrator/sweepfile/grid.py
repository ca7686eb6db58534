"""Which combinations of axis values a sweep has, in a fixed order, and where in the file each value stands.

`grid` axes are crossed; a group of `zip` is one more axis whose names change together; a rule of `when` gives other
values where its condition holds; `exclude` leaves combinations out. The order is that of nested loops, the first
axis of the file outermost.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from orchestrator.sweepfile.conditions import Conditions
from orchestrator.sweepfile.effective import EffectiveValues, matches, merged
from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.names import long_name, one_name, overlap, unknown_value
from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.unsound import NOTHING_UNSOUND, Unsound, axes_of
from orchestrator.sweepfile.yaml_source import YamlSource


@dataclass(frozen=True)
class Choice:
    """One value of an axis, its place in the file, and the axis' own value where a rule's is put over that."""

    value: Any
    path: Path
    below: Choice | None = None


Combination: TypeAlias = dict[str, Choice]
_NOTHING = object()


@dataclass
class Combined:
    """The combinations in order; how many others rules of `when` have made equal to one of them; what is wrong.

    `before` are the trials that there were before any rule.
    """

    combinations: list[Combination]
    num_made_equal: int = 0
    problems: list[SpecProblem] = field(default_factory=list)
    before: list[dict[str, Any]] = field(default_factory=list)


def combine(
    axes: Axes,
    effective: EffectiveValues,
    source: YamlSource,
    *,
    conditions: Conditions | None = None,
    unsound: Unsound = NOTHING_UNSOUND,
) -> Combined:
    """Every combination of the axes' values, and what is wrong with the rules that change and leave out some.

    Unsound axes are passed over, and so are rules that speak of them.
    """
    conditions = conditions or Conditions(axes, source)
    parts = itertools.product(*_grid_axes(axes, unsound), *_zip_axes(axes, unsound))
    made = Combined([_joined(each) for each in parts])
    if axes.when or axes.exclude:
        made.before = [effective.of(values_of(each)) for each in made.combinations]
    for number, rule in enumerate(axes.when):
        path: Path = ("axes", "when", number)
        if unsound.holds(path) or any(map(unsound.bears_on, (*rule.condition, *rule.set))):
            continue
        trials = [effective.of(values_of(each)) for each in made.combinations]
        holds = [matches(rule.condition, each) for each in trials]
        conditions.judge((*path, "if"), rule.condition, trials, before=made.before)
        _change(made, holds, rule.set, path, source)
    for number, pattern in enumerate(axes.exclude):
        path = ("axes", "exclude", number)
        if unsound.holds(path) or any(map(unsound.bears_on, pattern)):
            continue
        trials = [effective.of(values_of(each)) for each in made.combinations]
        conditions.judge(path, pattern, trials, before=made.before)
        kept = [each for each, trial in zip(made.combinations, trials, strict=True) if not matches(pattern, trial)]
        if not kept:
            message = "leaves no trial at all" if number == 0 else "leaves no trial at all, with those before it"
            made.problems.append(SpecProblem(source.position(path), path, message))
            break
        made.combinations = kept
    return made


def passed_over(axes: Axes, made: Sequence[Combination], unsound: Unsound) -> Iterator[tuple[Path, list[Combination]]]:
    """Unsound axes of known names, with a combination for each of their values, so that these are checked too."""
    for path in axes_of(axes):
        name = str(path[-1])
        if unsound.holds(path) and unknown_value(name) is None:
            group = axes.grid if path[1] == "grid" else axes.zip[int(path[2])]
            rest = {axis: choice for axis, choice in (made[0] if made else {}).items() if not overlap(axis, name)}
            yield path, [rest | {one_name(name): Choice(value, (*path, i))} for i, value in enumerate(group[name])]


def values_of(combination: Combination) -> dict[str, Any]:
    """Its values by the names of their axes."""
    return {name: choice.value for name, choice in combination.items()}


def _grid_axes(axes: Axes, unsound: Unsound) -> list[list[Combination]]:
    return [
        [
            {one_name(name): Choice(value, path)}
            for path, value in ((("axes", "grid", name, place), value) for place, value in enumerate(values))
            if not unsound.holds(path)
        ]
        for name, values in axes.grid.items()
        if not unsound.holds(("axes", "grid", name))
    ]


def _zip_axes(axes: Axes, unsound: Unsound) -> list[list[Combination]]:
    made = []
    for number, group in enumerate(axes.zip):
        sound = {name: each for name, each in group.items() if not unsound.holds(("axes", "zip", number, name))}
        places = range(len(next(iter(sound.values()), [])))
        made.append([
            {one_name(name): Choice(each[place], ("axes", "zip", number, name, place)) for name, each in sound.items()}
            for place in places
        ])  # fmt: skip
    return [each for each in made if each]


def _joined(parts: Iterable[Combination]) -> Combination:
    return {name: choice for part in parts for name, choice in part.items()}


def _change(made: Combined, holds: Sequence[bool], given: Mapping[str, Any], path: Path, source: YamlSource) -> None:
    """Give the values of a rule to the combinations for which it holds.

    A rule that takes an axis' values away leaves one of several combinations for which it holds. One that becomes
    what another is for which the rule does not hold would be lost without anybody having said so.
    """
    pairs = list(zip(made.combinations, holds, strict=True))
    others = {_signature(each) for each, held in pairs if not held}
    changed: dict[str, Combination] = {}
    lost: list[SpecProblem] = []
    for old, held in pairs:
        for each in _with_values(old, given, path) if held else [old]:
            signature = _signature(each)
            changed.setdefault(signature, each)
            if held and signature in others:
                lost.append(_becomes_another(old, each, path, source))
    made.problems += lost[:1]
    made.combinations = list(changed.values())
    made.num_made_equal += max(0, len(pairs) - len(changed))


def _with_values(combination: Combination, given: Mapping[str, Any], path: Path) -> list[Combination]:
    """What a rule that holds makes of a combination: one for each value it gives."""
    choices = []
    for name, value in given.items():
        at: Path = (*path, "set", name)
        listed = [Choice(each, (*at, i)) for i, each in enumerate(value)] if isinstance(value, list) else None
        choices.append([(one_name(name), choice) for choice in listed or [Choice(value, at)]])
    made = []
    for each in itertools.product(*choices):
        new = dict(combination)
        for name, choice in each:
            _give(new, name, choice)
        made.append(new)
    return made


def _give(combination: Combination, name: str, new: Choice) -> None:
    """Put a rule's value over those of axes, each of which may have another part of the same mapping.

    A part of the rule's mapping that is an axis goes to that axis; a part of an axis' mapping that the rule gives
    leaves it. So no combination says two things of one value.
    """
    for axis in [axis for axis in combination if axis != name and overlap(axis, name)]:
        inside = _inside(axis, name)
        if inside is None:  # the axis has the whole of which the rule gives a part
            value = _without(combination[axis].value, _inside(name, axis) or ())
            combination[axis] = replace(combination[axis], value=value)
            if value == {}:
                del combination[axis]
        elif not isinstance(new.value, Mapping):
            del combination[axis]
        elif (part := _at(new.value, inside)) is not _NOTHING:
            old = combination[axis]
            combination[axis] = _put_over(old, Choice(part, (*new.path, *inside)))
            new = replace(new, value=_without(new.value, inside))
            if new.value == {}:
                return
    combination[name] = _put_over(combination.get(name), new)


def _inside(name: str, whole: str) -> tuple[str, ...] | None:
    """The parts of a name below that of a mapping; None if it is not below it."""
    parts, above = long_name(name).split("."), long_name(whole).split(".")
    return tuple(parts[len(above) :]) if len(parts) > len(above) else None


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return _NOTHING
        value = value[part]
    return value


def _without(value: Any, path: Sequence[str]) -> Any:
    """A mapping without what is at the path, and without what is empty then."""
    if not isinstance(value, Mapping) or not path or path[0] not in value:
        return value
    inner = _without(value[path[0]], path[1:]) if path[1:] else {}
    rest = {name: each for name, each in value.items() if name != path[0]}
    return rest if inner == {} else {**value, path[0]: inner}


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
