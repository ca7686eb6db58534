"""From combinations of axis values to trials, and where in the file the mistakes of each were made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from orchestrator.sweepfile.building import Builder, Unplaceable
from orchestrator.sweepfile.effective import EffectiveValues
from orchestrator.sweepfile.grid import Combination, values_of
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.names import long_name, one_name
from orchestrator.sweepfile.problems import Path, SpecProblem, dotted
from orchestrator.sweepfile.resources import place_of_micro_batch
from orchestrator.sweepfile.two_names import as_given
from orchestrator.sweepfile.wording import problems_of
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import TrialSpec


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


def expand(
    sweep: SweepFile, made: Sequence[Combination], effective: EffectiveValues, source: YamlSource
) -> tuple[list[ExpandedTrial], list[SpecProblem]]:
    """The trials of the combinations that make one, and every problem of any of the others, each once."""
    problems: dict[Path, SpecProblem] = {}
    trials: list[ExpandedTrial] = []
    builder = Builder(sweep, effective)
    said: set[str] = set()
    for combination in made:
        values = values_of(combination)
        misplaced: Unplaceable | None
        try:
            trials.append(ExpandedTrial(values, builder.build(values), combination))
        except ValidationError as error:
            if (signature := _signature(error, combination)) not in said:
                said.add(signature)
                for problem in _problems_of_a_trial(error, combination, sweep, source):
                    problems.setdefault(problem.path, problem)
            misplaced = builder.unplaceable_model(values)
        except Unplaceable as error:
            misplaced = error
        else:
            continue
        if misplaced is not None:
            path = _place(misplaced.path, combination, source)
            problems.setdefault(path, SpecProblem(source.position(path), path, str(misplaced)))
    return trials, list(problems.values())


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
    """Two combinations that are one trial would be run once and counted twice."""
    seen: dict[str, ExpandedTrial] = {}
    for trial in trials:
        first = seen.setdefault(trial.science_hash, trial)
        if first is not trial:
            apart = [c.path for name, c in trial.combination.items() if first.combination.get(name) != c]
            path: Path = apart[-1] if apart else ("budgets", "at") if trial.axes != first.axes else ("axes",)
            one, other = _named(trial), _named(first)
            said = f"{one} comes twice" if one == other else f"{one} and {other} are the same trial"
            return [SpecProblem(source.position(path), path, f"{said}; take one of them out")]
    return []


def _named(trial: ExpandedTrial) -> str:
    return ", ".join(f"{name}={value}" for name, value in trial.axes.items())
