"""A sweep's plan as JSON: everything of every trial, one to a line.

Numbers are in FLOPs, hours, bytes and tokens. What is not known, or does not exist, is null.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from orchestrator.planning.kind_plan import KindPlan, OnGpus, PhaseFlops
from orchestrator.planning.memory import PhaseMemory
from orchestrator.planning.plan import SweepPlan
from orchestrator.planning.scoring import Scoring
from orchestrator.planning.trial_plan import TrialPlan


def plan_json(plan: SweepPlan) -> Iterator[str]:
    """The lines of the whole document."""
    head = {
        "sweep": plan.name,
        "question": plan.question,
        "gpu": plan.means.gpu.name,
        "gpus_available": plan.means.gpus,
        "totals": asdict(plan.totals) | {"flops": _flops(plan.totals.flops)},
        "warnings": list(plan.warnings),
    }
    yield f'{json.dumps(head)[:-1]}, "trials": ['
    kinds = {id(kind.plan): _kind(kind.plan) for kind in plan.kinds}
    last = len(plan.trials) - 1
    for position, trial in enumerate(plan.trials):
        yield json.dumps(_trial(trial) | kinds[id(trial.plan)]) + ("," if position < last else "")
    yield "]}"


def _trial(trial: TrialPlan) -> dict[str, Any]:
    return {
        "axes": trial.axes,
        "seed": trial.seed,
        "science_hash": trial.science_hash,
        "cached": trial.cached,
        "done_share": trial.done_share,
        "done_flops": trial.done_flops,
    }


def _kind(plan: KindPlan) -> dict[str, Any]:
    """What a trial has in common with those that differ only in their seed."""
    architecture, spec = plan.architecture, plan.kind.spec
    return {
        "model": {
            "name": spec.model.name,
            "family": architecture.family,
            "total_params": architecture.total_params,
            "non_embedding_params": architecture.non_embedding_params,
            "active_params": architecture.active_params,
        },
        "lengths": asdict(plan.lengths),
        "budgets": {"unit": spec.budget.unit, "at": [asdict(milestone) for milestone in plan.cost.milestones]},
        "step": asdict(plan.cost.step),
        "flops": _flops(plan.flops),
        "shared_flops_saved": plan.cost.saved_flops,
        "evaluations": [_scoring(scoring) for scoring in plan.scorings],
        "on_gpus": None if plan.on_gpus is None else _on_gpus(plan.on_gpus),
        "cpu_memory_bytes": None if plan.cpu_memory is None else _memory(plan.cpu_memory),
        "gpu_hours": None if plan.gpu_hours is None else asdict(plan.gpu_hours),
        "no_gpu_hours_because": "the trial runs on CPUs" if plan.gpu_hours is None else None,
        "wall_hours": None if plan.wall_hours is None else asdict(plan.wall_hours),
        "no_wall_hours_because": "no trial like it has ended on a CPU yet" if plan.wall_hours is None else None,
        "checkpoints": asdict(plan.storage)
        | {"kept_bytes": plan.storage.kept_bytes, "peak_bytes": plan.storage.peak_bytes},
    }


def _on_gpus(on_gpus: OnGpus) -> dict[str, Any]:
    placement = on_gpus.placement
    return {
        "gpu": on_gpus.gpu.name,
        "gpus": placement.gpus,
        "server_gpus": placement.server_gpus,
        "trials_per_gpu": round(placement.all_gpus / on_gpus.number),
        "nodes": placement.nodes,
        "tensor_parallel": placement.tensor_parallel,
        "micro_batch": placement.micro_batch,
        "accumulation": placement.accumulation,
        "sleep_mode": placement.sleep_mode,
        "is_sleep_needed": placement.is_sleep_needed,
        "live_completions": placement.live_completions,
        "engine_memory_share": placement.engine_memory_share,
        "memory_bytes_per_gpu": {
            "training": _memory(placement.training),
            "generation": _memory(placement.generation),
            "peak": placement.peak_bytes,
        },
        "utilisation": asdict(on_gpus.utilisation),
    }


def _memory(memory: PhaseMemory) -> dict[str, float]:
    return {**memory.terms, "total": memory.total}


def _flops(flops: PhaseFlops) -> dict[str, float]:
    return {**vars(flops), "total": flops.total}


def _scoring(scoring: Scoring) -> dict[str, Any]:
    return {
        "benchmark": scoring.evaluation.benchmark,
        "protocol": scoring.evaluation.protocol,
        "method": scoring.evaluation.method,
        "samples": scoring.evaluation.samples,
        "times": scoring.times,
        "problems": scoring.problems,
        "is_problems_assumed": scoring.is_problems_assumed,
        "flops": scoring.flops,
    }
