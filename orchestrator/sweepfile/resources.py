"""Which entry of `resources` a trial is run by, and what that makes of its execution."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from orchestrator.sweepfile.grid import matches
from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.running import ResourceRule
from workers.spec import Execution, Model

SIZE_CONDITIONS = ("params_below", "params_at_least")


def execution_of(point: Point, model: Model, sweep: SweepFile, values: Mapping[str, Any]) -> Execution:
    """How a trial with these axis values is run. Models made here run on a CPU unless they are given GPUs."""
    rule = next((rule for rule in sweep.resources if _holds(rule, model, sweep.base, values)), ResourceRule())
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


def _holds(rule: ResourceRule, model: Model, base: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    if rule.condition is None:
        return True
    sizes = {name: limit for name, limit in rule.condition.items() if name in SIZE_CONDITIONS}
    others = {name: wanted for name, wanted in rule.condition.items() if name not in SIZE_CONDITIONS}
    return matches(values, others, base) and (not sizes or _has_size(model, sizes))


def _has_size(model: Model, sizes: Mapping[str, Any]) -> bool:
    from orchestrator.planning.architectures import architecture_of

    size = architecture_of(model).total_params
    return bool(sizes.get("params_at_least", 0) <= size < sizes.get("params_below", inf))
