"""From combinations of axis values to trials, and where in the file the mistakes of each were made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from orchestrator.sweepfile.building import Builder
from orchestrator.sweepfile.effective import EffectiveValues
from orchestrator.sweepfile.grid import Combination, values_of
from orchestrator.sweepfile.harmless import Refusal, Unplaceable
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.names import long_name, one_name
from orchestrator.sweepfile.problems import Path, SpecProblem, dotted, without_numbers
from orchestrator.sweepfile.resources import place_of_micro_batch
from orchestrator.sweepfile.sections import is_said_of
from orchestrator.sweepfile.two_names import as_given
from orchestrator.sweepfile.wording import problems_of
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import TrialSpec

_TAU: Path = ("base", "tau")
_TAU_OF_DATA: Path = ("base", "data", "tau")


@dataclass(frozen=True)
class ExpandedTrial:
    """A trial's specification and the axis values that make it this one."""

    axes: dict[str, Any]
    spec: TrialSpec
    combination: Combination = field(default_factory=dict, repr=False, compare=False)  # where the values stand

    @cached_property
    def science_hash(self) -> str:
        """The trial's identity; see `identity`."""
        return science_hash(self.spec)


@dataclass
class Expanded:
    """The trials of the combinations that make one, and every problem of any of the others, each once."""

    trials: list[ExpandedTrial] = field(default_factory=list)
    problems: list[SpecProblem] = field(default_factory=list)
    rules_used: dict[int | None, str] = field(default_factory=dict)  # of `resources`, with a model run by each


def expand(sweep: SweepFile, made: Sequence[Combination], effective: EffectiveValues, source: YamlSource) -> Expanded:
    """Make a trial of each combination, or find out what is wrong with it."""
    trials: list[ExpandedTrial] = []
    builder = Builder(sweep, effective)
    found = _Found(sweep, source)
    for combination in made:
        values = values_of(combination)
        try:
            trials.append(ExpandedTrial(values, builder.build(values), combination))
        except (ValidationError, Unplaceable) as error:
            found.keep(error, combination)
            if found.is_new(combination):
                for other, said in builder.further(values, error):
                    found.keep(other, combination, said)
    return Expanded(trials, found.problems, builder.rules_used)


class _Found:
    """The problems of combinations, each once at a place."""

    def __init__(self, sweep: SweepFile, source: YamlSource) -> None:
        self._sweep = sweep
        self._source = source
        self._by_place: dict[tuple[Path, str], SpecProblem] = {}
        self._signatures: set[str] = set()
        self._seen: set[Path | None] = set()

    @property
    def problems(self) -> list[SpecProblem]:
        return list(self._by_place.values())

    def is_new(self, combination: Combination) -> bool:
        """Whether some value is in none of the combinations before; the others say nothing new, and may be many."""
        places = {None, *(choice.path for choice in combination.values())}
        is_new = not places <= self._seen
        self._seen |= places
        return is_new

    def keep(self, error: Refusal, combination: Combination, said: Collection[str] = ()) -> None:
        """Keep what has not been said, and is not said because of other mistakes, those of these names."""
        for problem in self._problems(error, combination):
            if not is_said_of(problem, said):
                kind = without_numbers(problem.message)
                self._by_place.setdefault((problem.path, kind), problem)

    def _problems(self, error: Refusal, combination: Combination) -> Iterator[SpecProblem]:
        if isinstance(error, Unplaceable):
            path = _place(error.path, combination, self._source)
            yield SpecProblem(self._source.position(path), path, str(error))
            return
        signature = _signature(error, combination)
        if signature not in self._signatures:
            self._signatures.add(signature)
            yield from _problems_of_a_trial(error, combination, self._sweep, self._source)


def _signature(error: ValidationError, combination: Combination) -> str:
    """Equal for combinations that have the same problems at the same places."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    apart = any(each["type"] == "value_error" for each in found)
    names = {dotted(each["loc"][:length]) for each in found for length in range(1, len(each["loc"]) + 1)}
    names |= {one_name(name) for name in names}
    touched = [choice.path for name, choice in combination.items() if apart or name in names]
    return repr(([(each["loc"], each["msg"]) for each in found], touched))


def _problems_of_a_trial(
    error: ValidationError, combination: Combination, sweep: SweepFile, source: YamlSource
) -> Iterator[SpecProblem]:
    def place(path: Path) -> Path:
        if path == ("base", "micro_batch"):
            return place_of_micro_batch(sweep, source)
        return _place(path, combination, source)

    return problems_of(error, source, prefix=("base",), model=Point, place=place)


def _place(path: Path, combination: Combination, source: YamlSource) -> Path:
    """Where a value of `base` stands: at the axis that gives it, if one does.

    One that nobody gives belongs to the axis that gives the mapping in which it is missing.
    """
    path = _TAU_OF_DATA if path == _TAU else path
    written = as_given(path, source)
    found: Path | None = None
    for name, choice in reversed(combination.items()) if path[0] == "base" else ():
        parts = tuple(long_name(name).split("."))
        inside = path[1 + len(parts) :]
        if path[1 : 1 + len(parts)] == parts:
            if _has(choice.value, inside):
                return (*choice.path, *inside)
            found = found or (*choice.path, *inside)
    return written if found is None or written in source.positions else found


def _has(value: Any, path: Path) -> bool:
    for part in path:
        if not isinstance(value, Mapping):
            return True  # a list, whose places are parts too
        if part not in value:
            return False
        value = value[part]
    return True


def twins(trials: Sequence[ExpandedTrial], source: YamlSource) -> list[SpecProblem]:
    """Combinations that are one trial would be run once and counted twice; the first of each axis is named."""
    seen: dict[str, ExpandedTrial] = {}
    found: dict[Path, SpecProblem] = {}
    for trial in trials:
        first = seen.setdefault(trial.science_hash, trial)
        if first is not trial:
            apart = [c.path for name, c in trial.combination.items() if first.combination.get(name) != c]
            path: Path = apart[-1] if apart else ("budgets", "at") if trial.axes != first.axes else ("axes",)
            one, other = _named(trial), _named(first)
            said = f"{one} comes twice" if one == other else f"{one} and {other} are the same trial"
            found.setdefault(path[:-1], SpecProblem(source.position(path), path, f"{said}; take one of them out"))
    return list(found.values())


def _named(trial: ExpandedTrial) -> str:
    return ", ".join(f"{name}={value}" for name, value in trial.axes.items())
