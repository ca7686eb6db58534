"""From a sweep file to its trials: every combination of the axes' values, in a fixed order.

The order is that of nested loops, the first axis outermost; it depends on the file's text alone.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

from pydantic import ValidationError

from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.language import LoadedSweep, ModelEntry, Point, SweepFile, nearest, to_problem
from orchestrator.sweepfile.problems import InvalidSweep, Path, SpecProblem, dotted
from workers.spec import Algorithm, Execution, Model, Sampling, TrialSpec


@dataclass(frozen=True)
class ExpandedTrial:
    """A trial's specification and the axis values that make it this one."""

    axes: dict[str, Any]
    spec: TrialSpec


def expand(loaded: LoadedSweep) -> list[ExpandedTrial]:
    """All trials of a sweep. Raises InvalidSweep with every problem of every grid point, each once."""
    unknown = _unknown_axes(loaded)
    if unknown:
        raise InvalidSweep(unknown)
    problems: dict[str, SpecProblem] = {}
    trials: list[ExpandedTrial] = []
    for indices, values in _grid_points(loaded.sweep):
        try:
            trials.append(ExpandedTrial(values, _trial_spec(loaded.sweep, values)))
        except ValidationError as error:
            for details in error.errors():
                problem = _place(to_problem(details, loaded.source, ("base",), Point), loaded, indices)
                problems.setdefault(str(problem), problem)
        except _UnknownModel as error:
            path: Path = ("axes", "grid", "model", indices["model"]) if "model" in indices else ("base", "model")
            problem = SpecProblem(loaded.source.position(path), path, str(error))
            problems.setdefault(str(problem), problem)
    if problems:
        raise InvalidSweep(list(problems.values()))
    _refuse_twins(trials, loaded)
    return trials


class _UnknownModel(ValueError):
    """A model name that `models` does not define and that is no hub id or folder."""


def _grid_points(sweep: SweepFile) -> Iterator[tuple[dict[str, int], dict[str, Any]]]:
    names = list(sweep.axes.grid)
    choices = [list(enumerate(sweep.axes.grid[name])) for name in names]
    for combination in itertools.product(*choices):
        indices = {name: index for name, (index, _) in zip(names, combination, strict=True)}
        values = {name: value for name, (_, value) in zip(names, combination, strict=True)}
        yield indices, values


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


def _place(problem: SpecProblem, loaded: LoadedSweep, indices: dict[str, int]) -> SpecProblem:
    """Move a problem of `base` to the axis value that caused it, if one did."""
    field = problem.path[1:]
    for length in range(len(field), 0, -1):
        axis = dotted(field[:length])
        if axis in indices:
            path: Path = ("axes", "grid", axis, indices[axis])
            return SpecProblem(loaded.source.position(path), path, problem.message)
    return problem


def _refuse_twins(trials: list[ExpandedTrial], loaded: LoadedSweep) -> None:
    """Two grid points that are one trial would be run once and counted twice."""
    seen: dict[str, ExpandedTrial] = {}
    for trial in trials:
        twin = seen.setdefault(science_hash(trial.spec), trial)
        if twin is not trial:
            path: Path = ("axes", "grid")
            message = f"{trial.axes} and {twin.axes} are the same trial; take one of them out of the grid"
            raise InvalidSweep([SpecProblem(loaded.source.position(path), path, message)])


def _unknown_axes(loaded: LoadedSweep) -> list[SpecProblem]:
    """Axes whose first word is no field of a trial; what lies deeper is found when a trial is made."""
    problems = []
    for axis in loaded.sweep.axes.grid:
        if axis.partition(".")[0] not in Point.model_fields:
            path: Path = ("axes", "grid", axis)
            message = f"is not known here{nearest(axis, list(Point.model_fields))}"
            problems.append(SpecProblem(loaded.source.key_position(path), path, message))
    return problems
