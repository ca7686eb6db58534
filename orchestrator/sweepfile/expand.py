"""From combinations of axis values to trials, and where in the file the mistakes of each were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from orchestrator.sweepfile.building import Builder, Unplaceable
from orchestrator.sweepfile.grid import Combination
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.language import Axes, Point, SweepFile
from orchestrator.sweepfile.names import unknown_value
from orchestrator.sweepfile.problems import Path, SpecProblem, dotted
from orchestrator.sweepfile.resources import place_of_micro_batch
from orchestrator.sweepfile.wording import problems_of
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import TrialSpec


@dataclass(frozen=True)
class ExpandedTrial:
    """A trial's specification and the axis values that make it this one."""

    axes: dict[str, Any]
    spec: TrialSpec

    @cached_property
    def science_hash(self) -> str:
        """The trial's identity; see `identity`."""
        return science_hash(self.spec)


def expand(
    sweep: SweepFile, made: Sequence[Combination], source: YamlSource
) -> tuple[list[ExpandedTrial], list[Combination], list[SpecProblem]]:
    """The trials, the combinations that they are of, and every problem of any of the others, each once."""
    problems: dict[Path, SpecProblem] = {}
    trials: list[ExpandedTrial] = []
    built: list[Combination] = []
    builder = Builder(sweep, source)
    said: set[str] = set()
    for combination in made:
        values = {name: choice.value for name, choice in combination.items()}
        try:
            trials.append(ExpandedTrial(values, builder.build(values)))
            built.append(combination)
        except ValidationError as error:
            if (signature := _signature(error, combination)) not in said:
                said.add(signature)
                for problem in _problems_of_a_trial(error, combination, sweep, source):
                    problems.setdefault(problem.path, problem)
        except Unplaceable as error:
            path = _place(error.path, combination)
            problems.setdefault(path, SpecProblem(source.position(path), path, str(error)))
    return trials, built, list(problems.values())


def unknown_axes(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    """Names of axes and of conditions that no trial has a value of."""
    places: list[Path] = [("axes", "grid", name) for name in axes.grid]
    places += [("axes", "zip", number, name) for number, group in enumerate(axes.zip) for name in group]
    for number, rule in enumerate(axes.when):
        places += [("axes", "when", number, "if", name) for name in rule.condition]
        places += [("axes", "when", number, "set", name) for name in rule.set]
    places += [("axes", "exclude", number, name) for number, pattern in enumerate(axes.exclude) for name in pattern]
    reasons = [(path, unknown_value(str(path[-1]))) for path in places]
    return [SpecProblem(source.key_position(path), path, reason) for path, reason in reasons if reason]


def _signature(error: ValidationError, combination: Combination) -> str:
    """Equal for combinations that have the same problems at the same places."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    apart = any(each["type"] == "value_error" for each in found)
    names = {dotted(each["loc"][:length]) for each in found for length in range(1, len(each["loc"]) + 1)}
    touched = [choice.path for name, choice in combination.items() if apart or name in names]
    return repr(([(each["loc"], each["msg"]) for each in found], touched))


def _problems_of_a_trial(
    error: ValidationError, combination: Combination, sweep: SweepFile, source: YamlSource
) -> Iterator[SpecProblem]:
    def place(path: Path) -> Path:
        if path == ("base", "micro_batch"):
            return place_of_micro_batch(sweep, source)
        return _place(path, combination)

    return problems_of(error, source, prefix=("base",), model=Point, place=place)


def _place(path: Path, combination: Combination) -> Path:
    """Where a value of `base` stands: at the axis that gives it, if one does."""
    field = path[1:]
    for length in range(len(field), 0, -1):
        name = dotted(field[:length])
        choice = combination.get(name) or (combination.get("tau") if name == "data.tau" else None)
        if choice is not None and path[0] == "base":
            return (*choice.path, *field[length:])
    return path


def twins(trials: Sequence[ExpandedTrial], made: Sequence[Combination], source: YamlSource) -> list[SpecProblem]:
    """Two combinations that are one trial would be run once and counted twice."""
    seen: dict[str, int] = {}
    for number, trial in enumerate(trials):
        first = seen.setdefault(trial.science_hash, number)
        if first != number:
            apart = [choice.path for name, choice in made[number].items() if made[first].get(name) != choice]
            path: Path = apart[-1] if apart else ("axes",)
            one, other = _named(trial), _named(trials[first])
            said = f"{one} comes twice" if one == other else f"{one} and {other} are the same trial"
            message = f"{said}; take one of them out"
            return [SpecProblem(source.position(path), path, message)]
    return []


def _named(trial: ExpandedTrial) -> str:
    return ", ".join(f"{name}={value}" for name, value in trial.axes.items())
