"""A sweep's trials as they are planned to run: what the file leaves to the planner is decided before they start.

So `submit` runs what `plan` shows. Nothing here is part of a trial's identity. Trials on CPUs, which the file says or
which follows from a model that is made here, are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from db.errors import SpecError
from orchestrator.planning.placing_case import named_gpus
from orchestrator.planning.plan import SweepPlan, UnplannableSweep, plan_sweep
from orchestrator.runnable import reasons_against, shortened
from orchestrator.sweepfile.loading import LoadedSweep
from workers.gpus import GpuType, gpu_of_device


@dataclass(frozen=True)
class PlannedCost:
    """Model FLOPs of a trial to its last budget, evaluation included, and GPU-hours; None: not known, or no GPUs."""

    flops: float | None
    gpu_hours: float | None


def as_planned(loaded: LoadedSweep) -> LoadedSweep:
    """The sweep with the planner's GPUs, micro-batch and sleep mode for each trial that has GPUs.

    It is planned for the GPUs of this machine, for the planner's own kind where there are none. Raises
    UnplannableSweep as `plan` does, and SpecError where this version cannot run a trial as it is planned.
    """
    if all(trial.spec.execution.gpus == 0 for trial in loaded.trials):
        return loaded
    plan = plan_sweep(loaded, gpu=_gpu_of_this_machine())
    trials = (
        replace(trial, spec=trial.spec.model_copy(update={"execution": planned.plan.execution}))
        for trial, planned in zip(loaded.trials, plan.trials, strict=True)
    )
    decided = replace(loaded, trials=tuple(trials))
    reasons = reasons_against(decided)
    if reasons:
        raise SpecError(
            f"{loaded.source.name}: a trial of {_largest(plan)}, as this version cannot run it: {shortened(reasons)}. "
            "Take a smaller model, shorter completions or a larger GPU; `rlsweep plan` shows what each trial takes."
        )
    return decided


def planned_costs(loaded: LoadedSweep) -> list[PlannedCost]:
    """What each trial is reckoned to cost, in order; unknown of a sweep that runs and cannot be planned."""
    gpu = None if all(trial.spec.execution.gpus == 0 for trial in loaded.trials) else _gpu_of_this_machine()
    try:
        trials = plan_sweep(loaded, gpu=gpu).trials
    except UnplannableSweep:
        return [PlannedCost(None, None)] * len(loaded.trials)
    hours = [trial.plan.gpu_hours for trial in trials]
    return [
        PlannedCost(trial.plan.flops.total, None if each is None else each.central)
        for trial, each in zip(trials, hours, strict=True)
    ]


def _largest(plan: SweepPlan) -> str:
    """`qwen2.5-7b is planned for 4 H100-80GB GPUs`."""
    most = max((kind.plan for kind in plan.kinds), key=lambda kind: kind.gpus)
    assert most.on_gpus is not None
    return f"{most.kind.label} is planned for {named_gpus(most.on_gpus.placement.all_gpus, most.on_gpus.gpu)}"


def _gpu_of_this_machine() -> GpuType | None:
    import torch

    return gpu_of_device(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
