"""How a trial is run, which must not change what it measures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from workers.spec.canonical import IDENTITY_VERSION, canonical_json, identity_hash
from workers.spec.values import Count, PositiveFloat, PositiveInt, Strict, Text


class Execution(Strict):
    """How a trial is run. Nothing here may change what it measures beyond floating-point noise.

    Where `gpus`, `tensor_parallel`, `micro_batch` or `sleep_mode` is None, the planner decides. `trials_per_gpu` lets
    small trials share one. A trial has a process on each of its GPUs; `processes` is how many share one on CPUs. Memory
    is that of the host, for a trial on CPUs.
    """

    engine: Literal["auto", "transformers", "vllm"] = "auto"
    gpu: Text | None = None
    gpus: Count | None = None
    nodes: PositiveInt | None = None
    tensor_parallel: PositiveInt | None = None
    trials_per_gpu: PositiveInt = 1
    micro_batch: PositiveInt | None = None
    sleep_mode: bool | None = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.3
    gradient_checkpointing: bool = False
    cpus: PositiveInt = 1
    processes: PositiveInt = 1
    memory_gb: PositiveFloat = 2.0
    checkpoint_every_steps: PositiveInt = 20
    checkpoints_kept: PositiveInt = 2

    @property
    def num_gpus(self) -> float:
        """GPUs that the trial holds: a share of one where several trials have it, none until somebody has decided."""
        return (self.gpus or 0) / self.trials_per_gpu

    @property
    def num_processes(self) -> int:
        """Processes that train together: one on each GPU."""
        return max(self.gpus or 0, 1) if self.gpus else self.processes

    @property
    def canonical(self) -> dict[str, Any]:
        """What is not as by default, under the version of the form."""
        return {"identity_version": IDENTITY_VERSION, **self.model_dump(mode="json", exclude_defaults=True)}

    @property
    def identity(self) -> str:
        """The hash of all settings, such as `v1:2c26b4...`."""
        return identity_hash(canonical_json(self.canonical))
