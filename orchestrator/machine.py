"""What this machine can run: refused before anything is written, so that nothing is half-done."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import psutil

from db.errors import EnvironmentProblem
from workers.spec import Execution

RAY_MEMORY_GB = 1.5


def check_machine(executions: Sequence[Execution]) -> None:
    """Refuse what cannot run here: an engine that is not installed, too little memory, too few CPUs or GPUs."""
    if any(execution.engine == "vllm" for execution in executions):
        from workers.generation.vllm_engine import installed_build

        installed_build()
    nodes = max(execution.num_nodes for execution in executions)
    if nodes > 1:
        raise EnvironmentProblem(
            f"A trial takes {nodes} nodes, by resources.nodes or as `rlsweep plan` reckons, and this machine is one. "
            "Run the sweep on a Ray cluster, with --address."
        )
    gpus = max(execution.num_gpus for execution in executions)
    if gpus > 0:
        import torch

        if gpus > torch.cuda.device_count():
            there = torch.cuda.device_count()
            raise EnvironmentProblem(
                f"A trial needs {gpus:g} GPU{'s' * (gpus > 1)}, by resources.gpus or as `rlsweep plan` reckons, and "
                f"this machine has {there or 'none'}. Run the sweep where there are some, or say "
                "`resources: {gpus: 0}` to run it on CPUs, which is slow for a model that is not made here."
            )
    trials_at_a_time(executions, limit=None)


def trials_at_a_time(executions: Sequence[Execution], *, limit: int | None) -> int:
    """How many trials this machine bears at once: by CPUs, by free memory and by the user's limit.

    Raises EnvironmentProblem when there is not even room for one.
    """
    cpus, available_gb = os.cpu_count() or 1, psutil.virtual_memory().available / 2**30
    cpus_each = max(execution.cpus for execution in executions)
    gb_each = max(execution.memory_gb for execution in executions)
    if cpus_each > cpus:
        raise EnvironmentProblem(
            f"A trial asks for {cpus_each} CPUs (resources.cpus), and this machine has {cpus}. Ask for fewer."
        )
    by_memory = int((available_gb - RAY_MEMORY_GB) // gb_each)
    if by_memory < 1:
        raise EnvironmentProblem(
            f"{available_gb:.1f} GB of memory are free; Ray takes about {RAY_MEMORY_GB} GB and one trial "
            f"{gb_each:g} GB (resources.memory_gb). Free some memory, or lower resources.memory_gb if trials need less."
        )
    return min(by_memory, cpus // cpus_each, limit or sys.maxsize)
