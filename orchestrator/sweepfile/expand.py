"""From combinations of axis values to trials: `base` with the values put in, checked and resolved."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from orchestrator.sweepfile.algorithms import SETTINGS
from orchestrator.sweepfile.grid import Combination
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.language import Axes, Point, SweepFile
from orchestrator.sweepfile.models import UnknownModel, resolve_model
from orchestrator.sweepfile.presets import is_preset
from orchestrator.sweepfile.problems import Path, SpecProblem, dotted
from orchestrator.sweepfile.resources import execution_of
from orchestrator.sweepfile.wording import nearest, to_problem
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import Algorithm, Budget, Loss, Sampling, Seed, TrialSpec

_SEED: TypeAdapter[int] = TypeAdapter(Seed, config=ConfigDict(strict=True))


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
) -> tuple[list[ExpandedTrial], list[SpecProblem]]:
    """The trials of all combinations, and every problem of any of them, each once."""
    problems: dict[str, SpecProblem] = {}
    trials: list[ExpandedTrial] = []
    builder = _Builder(sweep, source)
    for combination in made:
        values = {name: choice.value for name, choice in combination.items()}
        try:
            trials.append(ExpandedTrial(values, builder.build(values)))
        except ValidationError as error:
            for details in error.errors():
                problem = _place(to_problem(details, source, ("base",), Point), source, combination)
                problems.setdefault(str(problem), problem)
        except UnknownModel as error:
            path = combination["model"].path if "model" in combination else ("base", "model")
            problem = SpecProblem(source.position(path), path, str(error))
            problems.setdefault(str(problem), problem)
    return trials, [*problems.values(), *_twins(trials, source)]


def unknown_axes(axes: Axes, source: YamlSource) -> list[SpecProblem]:
    """Names whose first word is no field of a trial; what lies deeper is found when a trial is made."""
    places: list[Path] = [("axes", "grid", name) for name in axes.grid]
    places += [("axes", "zip", number, name) for number, group in enumerate(axes.zip) for name in group]
    for number, rule in enumerate(axes.when):
        places += [("axes", "when", number, "if", name) for name in rule.condition]
        places += [("axes", "when", number, "set", name) for name in rule.set]
    places += [("axes", "exclude", number, name) for number, pattern in enumerate(axes.exclude) for name in pattern]
    known = list(Point.model_fields)
    return [
        SpecProblem(source.key_position(path), path, f"is not known here{nearest(str(path[-1]), known)}")
        for path in places
        if str(path[-1]).partition(".")[0] not in known
    ]


class _Builder:
    """Makes the specification of each combination; those that differ in nothing but their seed are made once."""

    def __init__(self, sweep: SweepFile, source: YamlSource) -> None:
        self._sweep = sweep
        self._given = _given_by_the_file(sweep.base, source)
        self._made: dict[str, TrialSpec] = {}

    def build(self, values: Mapping[str, Any]) -> TrialSpec:
        """Raises ValidationError, with places from `base` on, and UnknownModel."""
        others = repr([(name, value) for name, value in values.items() if name != "seed"])
        if others in self._made and _is_seed(values.get("seed")):
            return self._made[others].model_copy(update={"seed": values["seed"]})
        self._made[others] = self._from_scratch(values)
        return self._made[others]

    def _from_scratch(self, values: Mapping[str, Any]) -> TrialSpec:
        data = copy.deepcopy(self._sweep.base)
        algorithm = values.get("algorithm", data.get("algorithm"))
        if isinstance(algorithm, str):
            for name, value in SETTINGS.get(algorithm, {}).items():
                if name not in self._given:
                    _set(data, name.split("."), value)
        for name, value in values.items():
            _set(data, name.split("."), value)
        if data.get("tau") is not None and isinstance(data.get("data"), dict):
            _set(data, ["data", "tau"], data["tau"])
        return _resolve(Point.model_validate(data), self._sweep, values)


def _is_seed(value: Any) -> bool:
    try:
        _SEED.validate_python(value)
    except ValidationError:
        return False  # said where the whole point is checked
    return True


def _resolve(point: Point, sweep: SweepFile, values: Mapping[str, Any]) -> TrialSpec:
    model = resolve_model(point.model, sweep.models)
    return TrialSpec(
        model=model,
        data=point.data,
        algorithm=Algorithm(
            name=point.algorithm,
            group_size=point.group_size,
            prompts_per_step=point.prompts_per_step,
            updates_per_step=point.updates_per_step,
            epochs_per_step=point.epochs_per_step,
            **{name: getattr(point.loss, name) for name in Loss.model_fields},
        ),
        optimizer=point.optimizer,
        sampling=Sampling(
            max_completion_tokens=point.generation.max_completion_tokens,
            temperature=point.generation.temperature,
            top_p=point.generation.top_p,
        ),
        lora=point.lora,
        environment=point.environment,
        seed=point.seed,
        budget=Budget(unit=sweep.budgets.unit, at=sweep.budgets.at),
        evaluations=tuple(sweep.evaluations),
        execution=execution_of(point, model, sweep, values),
    )


def _given_by_the_file(base: Mapping[str, Any], source: YamlSource) -> set[str]:
    """Dotted names of the values of `base` that do not come from a preset."""
    given = set()

    def look(values: Mapping[str, Any], path: Path) -> None:
        for name, value in values.items():
            at = (*path, name)
            if isinstance(value, Mapping):
                look(value, at)
            elif not is_preset(source.position(at)):
                given.add(dotted(at[1:]))

    look(base, ("base",))
    return given


def _set(data: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            return  # base holds a plain value where a mapping belongs; checking the point says so
        data = inner
    data[path[-1]] = value


def _place(problem: SpecProblem, source: YamlSource, combination: Combination) -> SpecProblem:
    """Move a problem of `base` to the axis value that caused it, if one did."""
    field = problem.path[1:]
    for length in range(len(field), 0, -1):
        choice = combination.get(dotted(field[:length]))
        if choice is not None:
            return SpecProblem(source.position(choice.path), choice.path, problem.message)
    return problem


def _twins(trials: Sequence[ExpandedTrial], source: YamlSource) -> list[SpecProblem]:
    """Two combinations that are one trial would be run once and counted twice."""
    seen: dict[str, ExpandedTrial] = {}
    path: Path = ("axes",)
    for trial in trials:
        twin = seen.setdefault(trial.science_hash, trial)
        if twin is not trial:
            message = f"{trial.axes} and {twin.axes} are the same trial; take one of them out"
            return [SpecProblem(source.position(path), path, message)]
    return []
