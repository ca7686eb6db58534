"""A smaller micro-batch for a trial that ran out of GPU memory: the same block in more passes, and nothing else.

What was tried is in the database, with every attempt's execution. What is learned does not depend on the micro-batch,
unless the recipe says so; then it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workers.spec import TrialSpec

OUT_OF_MEMORY = "gpu_memory"


def micro_batch(spec: TrialSpec) -> int:
    """Completions in one forward and backward pass of one process; without a wish, its whole share of an update."""
    return min(spec.execution.micro_batch or share_of_update(spec), share_of_update(spec))


def share_of_update(spec: TrialSpec) -> int:
    """Completions of one optimizer update that one process has."""
    per_update = spec.algorithm.completions_per_step // spec.algorithm.updates_per_step
    return per_update // spec.execution.num_processes


def smaller(spec: TrialSpec, tried: int) -> int | None:
    """The micro-batch after one that was too large: half of it, or the next that divides; None: there is none."""
    if spec.algorithm.aggregation == "micro_batch_token_mean":
        return None
    share = share_of_update(spec)
    return next((size for size in range(tried // 2, 0, -1) if share % size == 0), None)


def after_failures(spec: TrialSpec, attempts: Iterable[Mapping[Any, Any]]) -> TrialSpec:
    """The trial with a micro-batch below the smallest that was too large on the same GPUs; itself where none was."""
    too_large = [
        (attempt["execution"] or {}).get("micro_batch") or share_of_update(spec)
        for attempt in attempts
        if attempt["failure_class"] == OUT_OF_MEMORY and _runs_alike(spec, attempt["execution"] or {})
    ]
    if not too_large or micro_batch(spec) < min(too_large):
        return spec
    size = smaller(spec, min(too_large))
    if size is None:
        return spec
    return spec.model_copy(update={"execution": spec.execution.model_copy(update={"micro_batch": size})})


def _runs_alike(spec: TrialSpec, execution: Mapping[str, Any]) -> bool:
    """Whether an attempt was to be run as this one, but for its micro-batch."""
    mine = spec.execution.canonical
    names = (mine.keys() | execution.keys()) - {"micro_batch"}
    return all(mine.get(name) == execution.get(name) for name in names)
