"""The sections of a sweep file that say how its trials are run: nothing in them changes what a trial measures."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from db.errors import SpecError
from workers.gpus import gpu_type
from workers.spec import Count, PositiveFloat, PositiveInt, Probability, Strict, Text


class ResourceRule(Strict):
    """What a trial is given: the whole of `resources`, or an entry of its list, of which the first that holds counts.

    `if` has `params_below` or `params_at_least`, against all parameters of the model, or names axes and values of
    `base` as in `axes.when`. What is left out is the planner's to decide. `server_gpus` are GPUs beside `gpus`, for a
    vLLM server of the trial's own; without them vLLM generates on those that train.
    """

    condition: Annotated[dict[str, Any] | None, Field(alias="if", min_length=1)] = None
    cpus: PositiveInt = 1
    processes: PositiveInt = 1
    memory_gb: PositiveFloat = 2.0
    gpu: Text | None = None
    gpus: Count | None = None
    server_gpus: PositiveInt | None = None
    nodes: PositiveInt | None = None
    tensor_parallel: PositiveInt | None = None
    trials_per_gpu: PositiveInt = 1
    micro_batch: PositiveInt | None = None
    sleep_mode: bool | None = None
    gradient_checkpointing: bool | None = None

    @field_validator("condition")
    @classmethod
    def _sizes_leave_some(cls, condition: dict[str, Any] | None) -> dict[str, Any] | None:
        least, below = ((condition or {}).get(name) for name in ("params_at_least", "params_below"))
        if isinstance(least, int | float) and isinstance(below, int | float) and least >= below:
            raise ValueError(f"no model has params_at_least {least:.12g} and params_below {below:.12g}")
        return condition

    @field_validator("gpu")
    @classmethod
    def _is_known(cls, gpu: str | None) -> str | None:
        if gpu is not None:
            try:
                gpu_type(gpu)
            except SpecError as error:
                raise ValueError(str(error).rstrip(".")) from None
        return gpu

    @model_validator(mode="after")
    def _sharing_is_of_one_gpu(self) -> ResourceRule:
        if self.trials_per_gpu > 1 and self.gpus != 1:
            raise ValueError(f"trials_per_gpu {self.trials_per_gpu} needs `gpus: 1`, the one that they share")
        return self

    @model_validator(mode="after")
    def _what_is_for_gpus_has_some(self) -> ResourceRule:
        given = [name for name in ("gpu", "tensor_parallel", "sleep_mode") if getattr(self, name) is not None]
        if self.gpus and self.processes > 1:
            raise ValueError(f"processes {self.processes} is for trials on CPUs; on GPUs a trial has one on each")
        if self.gpus == 0 and given:
            raise ValueError(f"`{given[0]}` means nothing beside `gpus: 0`, which is a trial on CPUs")
        return self

    @model_validator(mode="after")
    def _a_server_is_on_gpus_of_its_own(self) -> ResourceRule:
        if self.server_gpus is not None:
            reason = self._reason_against_server(self.server_gpus)
            if reason:
                raise ValueError(reason)
        return self

    def _reason_against_server(self, number: int) -> str | None:
        asked = f"server_gpus {number}"
        if self.gpus == 0:
            return f"{asked} needs CUDA: TRL's client sends weights to a server by NCCL alone"
        if self.trials_per_gpu > 1:
            return f"{asked} does not go with trials_per_gpu {self.trials_per_gpu}: its GPUs are the trial's alone"
        if (self.nodes or 1) > 1:
            return f"{asked} does not go with nodes {self.nodes}: the server is on the machine of its trial"
        if self.sleep_mode:
            return "`sleep_mode` means nothing beside `server_gpus`: nothing else is on the GPUs of a server"
        if self.tensor_parallel not in (None, number):
            return (
                f"tensor_parallel {self.tensor_parallel} does not go with {asked}: a server is one engine over all of "
                "its GPUs; leave `tensor_parallel` out"
            )
        return None


class Limits(Strict):
    """What the whole sweep may use. Reached, its trials stop at their next checkpoint."""

    concurrent_trials: PositiveInt | None = None
    gpu_hours: PositiveFloat | None = None
    flops: PositiveFloat | None = None
    cost: PositiveFloat | None = None
    price_per_gpu_hour: PositiveFloat | None = None

    @model_validator(mode="after")
    def _a_cost_has_a_price(self) -> Limits:
        if self.cost is not None and self.price_per_gpu_hour is None:
            raise ValueError("`cost` needs `price_per_gpu_hour`, in the same currency")
        return self


class Checkpoints(Strict):
    """When checkpoints are written, beside those at budgets, and how many of them are kept; those at budgets always."""

    every_steps: PositiveInt = 20
    keep: PositiveInt = 2


class Expected(Strict):
    """What `plan` is to reckon with until trials have shown it: mean lengths, and the share of a GPU's peak."""

    prompt_tokens: PositiveFloat | None = None
    completion_tokens: PositiveFloat | None = None
    utilization: Annotated[Probability, Field(gt=0)] | None = None
