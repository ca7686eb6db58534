"""How a trial is run, which must not change what it measures."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from workers.spec.canonical import IDENTITY_VERSION, canonical_json, identity_hash
from workers.spec.values import Count, PositiveFloat, PositiveInt, Strict, Text

COLOCATED_MEMORY_SHARE = 0.3
SERVER_MEMORY_SHARE = 0.9


class Execution(Strict):
    """How a trial is run. Nothing here may change what it measures beyond floating-point noise.

    Where `gpus`, `tensor_parallel`, `micro_batch` or `sleep_mode` is None, the planner decides. `trials_per_gpu` lets
    small trials share one. A trial has a process on each of its `gpus`; `processes` is how many share one on CPUs.
    Memory is that of the host, for a trial on CPUs. `server_gpus` are further GPUs, for a vLLM server of the trial's
    own; None: vLLM is in the training processes. Where `gpu_memory_utilization` is None, vLLM takes the
    `engine_memory_share` of a GPU.
    """

    engine: Literal["auto", "transformers", "vllm"] = "auto"
    gpu: Text | None = None
    gpus: Count | None = None
    server_gpus: PositiveInt | None = None
    nodes: PositiveInt | None = None
    tensor_parallel: PositiveInt | None = None
    trials_per_gpu: PositiveInt = 1
    micro_batch: PositiveInt | None = None
    sleep_mode: bool | None = None
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    gradient_checkpointing: bool = False
    cpus: PositiveInt = 1
    processes: PositiveInt = 1
    memory_gb: PositiveFloat = 2.0
    checkpoint_every_steps: PositiveInt = 20
    checkpoints_kept: PositiveInt = 2

    @property
    def num_gpus(self) -> float:
        """GPUs that the trial holds: a share of one where several trials have it, none until somebody has decided.

        Those of its server are its own too.
        """
        return ((self.gpus or 0) + (self.server_gpus or 0)) / self.trials_per_gpu

    @property
    def engine_memory_share(self) -> float:
        """The share of a GPU that vLLM takes: little beside the training, of its part where trials share it; nearly all
        where it is alone.
        """
        if self.gpu_memory_utilization is not None:
            return self.gpu_memory_utilization
        return COLOCATED_MEMORY_SHARE / self.trials_per_gpu if self.server_gpus is None else SERVER_MEMORY_SHARE

    @property
    def has_whole_gpus(self) -> bool:
        """Whether it holds GPUs that it shares with no other trial."""
        return bool(self.gpus) and self.trials_per_gpu == 1

    @property
    def num_nodes(self) -> int:
        """Machines that a trial is on, with as many of its processes on each."""
        return self.nodes or 1

    @property
    def num_processes(self) -> int:
        """Processes that train together: one on each GPU but the server's."""
        return max(self.gpus or 0, 1) if self.gpus else self.processes

    @property
    def canonical(self) -> dict[str, Any]:
        """What is not as by default, under the version of the form."""
        return {"identity_version": IDENTITY_VERSION, **self.model_dump(mode="json", exclude_defaults=True)}

    @property
    def identity(self) -> str:
        """The hash of all settings, such as `v1:2c26b4...`."""
        return identity_hash(canonical_json(self.canonical))
