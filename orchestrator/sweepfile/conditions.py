"""Whether a condition of `when`, `exclude` or `resources` is one that some trial meets.

One that no trial meets is a slip of the pen where it stands in one file with all that gives the values it speaks of.
Where another file, or the command line, has changed these, it may be meant for others, and is only worth a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.sweepfile.effective import is_among, leaves, matches, value_of
from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.language import Axes
from orchestrator.sweepfile.names import bears_on, closest, long_name
from orchestrator.sweepfile.problems import Path, Position, SpecProblem, dotted
from orchestrator.sweepfile.unsound import axes_of
from orchestrator.sweepfile.yaml_source import YamlSource

Trials = Sequence[Mapping[str, Any]]
_MOST_LISTED = 8


@dataclass
class Judged:
    """What is wrong with conditions, and what is worth a word."""

    problems: list[SpecProblem] = field(default_factory=list)
    cautions: list[SpecProblem] = field(default_factory=list)


class Conditions:
    """Judges the conditions of one sweep, against the trials that there are where each is applied."""

    def __init__(self, axes: Axes, source: YamlSource) -> None:
        self.judged = Judged()
        self._source = source
        self._axes = axes_of(axes)

    def judge(self, path: Path, pattern: Mapping[str, Any], trials: Trials, *, before: Trials = ()) -> None:
        """Keep what there is to say of a pattern. `before` are trials that rules have changed or left out since."""
        for name, wanted in pattern.items():
            found = list(self._never_met((*path, name), wanted, trials, before))
            if found:
                self._keep(found, pattern)
                return
        if trials and not any(matches(pattern, each) for each in trials):
            message = "holds for no combination of the axes: no trial is like this"
            self._keep([SpecProblem(self._source.position(path), path, message)], pattern)

    def _never_met(self, path: Path, wanted: Any, trials: Trials, before: Trials) -> Iterator[SpecProblem]:
        """Of a list also the values that no trial has ever had."""
        name = str(path[-1])
        if not any(is_among(wanted, name, each) for each in trials):
            yield _no_such_value(path, wanted, trials, self._source)
            return
        if not isinstance(wanted, list) or wanted in [value_of(name, each) for each in trials]:
            return
        for place, one in enumerate(wanted):
            if not any(is_among(one, name, each) for several in (trials, before) for each in several):
                yield _no_such_value((*path, place), one, trials, self._source, name=name)

    def _keep(self, found: list[SpecProblem], pattern: Mapping[str, Any]) -> None:
        is_of_one_file = len({position.source for position in self._givers(found[0].path, pattern)}) == 1
        (self.judged.problems if is_of_one_file else self.judged.cautions).extend(found)

    def _givers(self, path: Path, pattern: Iterable[str]) -> Iterator[Position]:
        """Where the condition stands, and all that gives the trials the values it speaks of."""
        yield self._source.position(path)
        for name in pattern:
            bearing = [place for place in self._axes if bears_on(str(place[-1]), name)]
            yield from map(self._source.position, bearing)
            yield from (at for place, at in self._source.taken_away.items() if bears_on(str(place[-1]), name))
            if not any(_gives_all(str(place[-1]), name) for place in bearing):
                yield from self._givers_of_base(name)

    def _givers_of_base(self, name: str) -> Iterator[Position]:
        base = self._source.data.get("base")
        for path in leaves(base, ("base",)) if isinstance(base, dict) else ():
            position = self._source.position(path)
            if bears_on(dotted(path[1:]), name) and not position.is_preset:
                yield position


def _gives_all(axis: str, name: str) -> bool:
    return f"{long_name(name)}.".startswith(f"{long_name(axis)}.")


def _no_such_value(
    path: Path, wanted: Any, trials: Trials, source: YamlSource, *, name: str | None = None
) -> SpecProblem:
    """A condition that no trial meets; its name is the last of the path, unless that is a place in its list."""
    name = name or str(path[-1])
    found = list({repr(value): value for value in (value_of(name, each) for each in trials)}.values())
    listed = ", ".join(shown(value) for value in found[:_MOST_LISTED]) + (", ..." if len(found) > _MOST_LISTED else "")
    words = [value for value in found if isinstance(value, str)]
    close = closest(wanted, words) if isinstance(wanted, str) else None
    hint = f"; did you mean '{close}'?" if close else f"; the trials have {listed}"
    what = shown(wanted) if not isinstance(wanted, list) else f"any of {', '.join(map(shown, wanted))}"
    return SpecProblem(source.position(path), path, f"no trial has {name} {what}{hint}")
