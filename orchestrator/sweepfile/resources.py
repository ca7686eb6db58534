"""Which entry of `resources` a trial is run by, and what that makes of its execution."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from math import inf
from typing import Any

from orchestrator.sweepfile.conditions import Conditions, Trials
from orchestrator.sweepfile.effective import matches
from orchestrator.sweepfile.hints import shown
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.names import nearest, unknown_value
from orchestrator.sweepfile.problems import Path, SpecProblem
from orchestrator.sweepfile.running import ResourceRule
from orchestrator.sweepfile.unsound import NOTHING_UNSOUND, Unsound
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
    has_gpus = rule.gpus is not None or rule.server_gpus is not None
    on_cpu = rule.gpus == 0 or (not has_gpus and model.made is not None)
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
    sweep: SweepFile,
    trials: Trials,
    conditions: Conditions,
    source: YamlSource,
    *,
    before: Trials,
    unsound: Unsound = NOTHING_UNSOUND,
) -> list[SpecProblem]:
    """Entries that can hold for no trial, and conditions that mean nothing.

    What no trial meets, of these and of those that there were before rules of axes, is for `conditions` to judge.
    """
    problems: list[SpecProblem] = []
    for number, rule in enumerate(sweep.resources):
        path = _path_of(number, source)
        earlier = [n for n, other in enumerate(sweep.resources[:number]) if other.condition is None]
        if earlier:
            message = f"is never reached: resources[{earlier[0]}] has no `if` and so holds for every trial; put it last"
            problems.append(SpecProblem(source.position(path), path, message))
        reasons = [
            _reason_against((*path, "if", name), wanted, source) for name, wanted in (rule.condition or {}).items()
        ]
        problems += [reason for reason in reasons if reason]
        others = {name: wanted for name, wanted in (rule.condition or {}).items() if name not in SIZE_CONDITIONS}
        if others and trials and not any(reasons) and not any(map(unsound.bears_on, others)):
            conditions.judge((*path, "if"), others, trials, before=before)
    return problems


def unused_rules(
    sweep: SweepFile, used: Mapping[int | None, str], source: YamlSource, *, without: Collection[Path]
) -> list[SpecProblem]:
    """Entries by which no trial is run, beside those of which that is said already; and trials that no entry is for."""
    found = []
    for number, rule in enumerate(sweep.resources):
        path: Path = (*_path_of(number, source), "if")
        is_said = any(other[: len(path)] == path for other in without)
        if rule.condition is not None and number not in used and not is_said:
            message = "holds for no trial, or only where an entry before it does: no trial is run by this entry"
            found.append(SpecProblem(source.position(path), path, message))
    if None in used:
        message = f"no entry holds for some trials, such as those of {used[None]}: the planner decides"
        found.append(SpecProblem(source.position(("resources",)), ("resources",), message))
    return found


def place_of_micro_batch(sweep: SweepFile, source: YamlSource) -> Path:
    """Where the first `micro_batch` stands."""
    numbers = [number for number, rule in enumerate(sweep.resources) if rule.micro_batch is not None]
    return (*_path_of(numbers[0] if numbers else 0, source), "micro_batch")


def _path_of(number: int, source: YamlSource) -> Path:
    return ("resources",) if isinstance(source.data.get("resources"), dict) else ("resources", number)


def _reason_against(path: Path, wanted: Any, source: YamlSource) -> SpecProblem | None:
    """What is wrong with a condition by itself."""
    name = str(path[-1])
    if name in SIZE_CONDITIONS:
        message = f"found {shown(wanted)}, expected a number of parameters, such as 7e9"
        return None if _is_size(wanted) else SpecProblem(source.position(path), path, message)
    reason = unknown_value(name)
    size = nearest(name, SIZE_CONDITIONS)
    message = f"is not known here{size}" if "mean" in size else reason or ""
    return SpecProblem(source.key_position(path), path, message) if reason else None


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
