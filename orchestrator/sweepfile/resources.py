"""Which entry of `resources` a trial is run by, and what that makes of its execution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any

from orchestrator.sweepfile.effective import EffectiveValues, is_among, matches
from orchestrator.sweepfile.grid import Combination, no_such_value, sources_of, values_of
from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.names import nearest, unknown_value
from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.running import ResourceRule
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import Execution, Model

SIZE_CONDITIONS = ("params_below", "params_at_least")


def rule_for(model: Model, sweep: SweepFile, effective: Mapping[str, Any]) -> int | None:
    """The number of the first entry of `resources` that holds for a trial with these values; None if none does."""
    rules = enumerate(sweep.resources)
    return next((number for number, rule in rules if _holds(rule, model, effective)), None)


def execution_of(point: Point, model: Model, sweep: SweepFile, number: int | None) -> Execution:
    """How a trial under that entry is run. Models made here run on a CPU unless they are given GPUs."""
    rule = ResourceRule() if number is None else sweep.resources[number]
    given = rule.model_dump(exclude={"condition", "gpus", "gradient_checkpointing"})
    on_cpu = rule.gpus == 0 or (rule.gpus is None and model.made is not None)
    return Execution(
        engine=point.generation.engine,
        gpu_memory_utilization=point.generation.gpu_memory_utilization,
        gpus=0 if on_cpu else rule.gpus,
        # Long completions of a large model do not fit without; the small models of a CPU are slower with it.
        gradient_checkpointing=not on_cpu if rule.gradient_checkpointing is None else rule.gradient_checkpointing,
        checkpoint_every_steps=sweep.checkpoints.every_steps,
        checkpoints_kept=sweep.checkpoints.keep,
        **given,
    )


def unusable_rules(
    sweep: SweepFile, made: Sequence[Combination], effective: EffectiveValues, source: YamlSource
) -> list[SpecProblem]:
    """Entries that can hold for no trial, and conditions that mean nothing."""
    problems: list[SpecProblem] = []
    trials: list[dict[str, Any]] = []
    if any(rule.condition for rule in sweep.resources):
        trials = [effective.of(values_of(each)) for each in made]
    for number, rule in enumerate(sweep.resources):
        path = _path_of(number, source)
        earlier = [n for n, other in enumerate(sweep.resources[:number]) if other.condition is None]
        if earlier:
            message = f"is never reached: resources[{earlier[0]}] has no `if` and so holds for every trial; put it last"
            problems.append(SpecProblem(source.position(path), path, message))
        for name, wanted in (rule.condition or {}).items():
            problems += _of_condition((*path, "if", name), wanted, trials, sources_of(name, made, source), source)
    return problems


def place_of_micro_batch(sweep: SweepFile, source: YamlSource) -> Path:
    """Where the first `micro_batch` stands."""
    numbers = [number for number, rule in enumerate(sweep.resources) if rule.micro_batch is not None]
    return (*_path_of(numbers[0] if numbers else 0, source), "micro_batch")


def _path_of(number: int, source: YamlSource) -> Path:
    return ("resources",) if isinstance(source.data.get("resources"), dict) else ("resources", number)


def _of_condition(
    path: Path, wanted: Any, trials: Sequence[dict[str, Any]], files_of_axes: set[str], source: YamlSource
) -> Iterator[SpecProblem]:
    name = str(path[-1])
    if name in SIZE_CONDITIONS:
        if not _is_size(wanted):
            message = f"found {shown(wanted)}, expected a number of parameters, such as 7e9"
            yield SpecProblem(source.position(path), path, message)
        return
    reason = unknown_value(name)
    if reason is not None:
        size = nearest(name, SIZE_CONDITIONS)
        message = f"is not known here{size}" if "mean" in size else reason
        yield SpecProblem(source.key_position(path), path, message)
        return
    # A condition in another file than the axis may be for the models of other sweeps.
    is_of_here = bool(trials) and files_of_axes <= {source.position(path).source}
    if is_of_here and not any(is_among(wanted, name, each) for each in trials):
        yield no_such_value(path, wanted, trials, source)


def _holds(rule: ResourceRule, model: Model, effective: Mapping[str, Any]) -> bool:
    if rule.condition is None:
        return True
    sizes = {name: limit for name, limit in rule.condition.items() if name in SIZE_CONDITIONS}
    others = {name: wanted for name, wanted in rule.condition.items() if name not in SIZE_CONDITIONS}
    if not all(map(_is_size, sizes.values())):
        return False  # said where all conditions are checked
    return matches(others, effective) and (not sizes or _has_size(model, sizes))


def _is_size(wanted: Any) -> bool:
    return isinstance(wanted, int | float) and not isinstance(wanted, bool) and 0 < wanted < inf


def _has_size(model: Model, sizes: Mapping[str, Any]) -> bool:
    return bool(sizes.get("params_at_least", 0) <= _size_of(model) < sizes.get("params_below", inf))


@lru_cache(maxsize=64)
def _size_of(model: Model) -> int:
    from orchestrator.planning.architectures import architecture_of

    return architecture_of(model).total_params
