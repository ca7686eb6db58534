"""From combinations of axis values to trials: `base` with the values put in, checked and resolved."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

from pydantic import ValidationError

from orchestrator.sweepfile.grid import Combination
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.language import Axes, ModelEntry, Point, SweepFile
from orchestrator.sweepfile.problems import Path, SpecProblem, dotted
from orchestrator.sweepfile.wording import nearest, to_problem
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import Algorithm, Execution, Model, Sampling, TrialSpec


@dataclass(frozen=True)
class ExpandedTrial:
    """A trial's specification and the axis values that make it this one."""

    axes: dict[str, Any]
    spec: TrialSpec


def expand(
    sweep: SweepFile, made: Sequence[Combination], source: YamlSource
) -> tuple[list[ExpandedTrial], list[SpecProblem]]:
    """The trials of all combinations, and every problem of any of them, each once."""
    problems: dict[str, SpecProblem] = {}
    trials: list[ExpandedTrial] = []
    for combination in made:
        values = {name: choice.value for name, choice in combination.items()}
        try:
            trials.append(ExpandedTrial(values, _trial_spec(sweep, values)))
        except ValidationError as error:
            for details in error.errors():
                problem = _place(to_problem(details, source, ("base",), Point), source, combination)
                problems.setdefault(str(problem), problem)
        except _UnknownModel as error:
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


class _UnknownModel(ValueError):
    """A model name that `models` does not define and that is no hub id or folder."""


def _trial_spec(sweep: SweepFile, values: dict[str, Any]) -> TrialSpec:
    data = copy.deepcopy(sweep.base)
    for name, value in values.items():
        _set(data, name.split("."), value)
    point = Point.model_validate(data)
    return TrialSpec(
        model=_model(point.model, sweep.models),
        data=point.data,
        algorithm=Algorithm(
            name=point.algorithm,
            group_size=point.group_size,
            prompts_per_step=point.prompts_per_step,
            updates_per_step=point.updates_per_step,
            clip_low=point.loss.clip_low,
            clip_high=point.loss.clip_high,
            kl_coefficient=point.loss.kl_coefficient,
            loss_aggregation=point.loss.aggregation,
            advantage_scale=point.loss.advantage_scale,
        ),
        optimizer=point.optimizer,
        sampling=Sampling(
            max_completion_tokens=point.generation.max_completion_tokens,
            temperature=point.generation.temperature,
            top_p=point.generation.top_p,
        ),
        seed=point.seed,
        budget=sweep.budgets,
        evaluations=tuple(sweep.evaluations),
        execution=Execution(
            engine=point.generation.engine,
            gpu_memory_utilization=point.generation.gpu_memory_utilization,
            micro_batch=sweep.resources.micro_batch,
            cpus=sweep.resources.cpus,
            gpus=sweep.resources.gpus,
            memory_gb=sweep.resources.memory_gb,
            gradient_checkpointing=sweep.resources.gradient_checkpointing,
            checkpoint_every_steps=sweep.checkpoints.every_steps,
            checkpoints_kept=sweep.checkpoints.keep,
        ),
    )


def _set(data: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = data.setdefault(part, {})
        if not isinstance(inner, dict):
            return  # base holds a plain value where a mapping belongs; checking the point says so
        data = inner
    data[path[-1]] = value


def _model(name: str, models: dict[str, ModelEntry]) -> Model:
    entry = models.get(name)
    if entry is not None:
        if entry.source is not None:
            entry = entry.model_copy(update={"source": _from_anywhere(entry.source)})
        return Model(name=name, **entry.model_dump(exclude_none=True) | _made(entry))
    if "/" in name:  # organisation/name on the hub, or a path
        return Model(name=name, source=_from_anywhere(name))
    known = f"; defined here: {', '.join(models)}" if models else ""
    raise _UnknownModel(f"found {name!r}, expected a name from `models`, a hub id such as org/name, or a path{known}")


def _from_anywhere(source: str) -> str:
    """A folder by its full path, since trials run elsewhere; a hub id as it is."""
    folder = Folder(source).expanduser()
    return str(folder.absolute()) if folder.is_dir() else source


def _made(entry: ModelEntry) -> dict[str, Any]:
    """The nested model itself, not its dump, which would be validated anew."""
    return {"made": entry.made} if entry.made is not None else {}


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
        twin = seen.setdefault(science_hash(trial.spec), trial)
        if twin is not trial:
            message = f"{trial.axes} and {twin.axes} are the same trial; take one of them out"
            return [SpecProblem(source.position(path), path, message)]
    return []
