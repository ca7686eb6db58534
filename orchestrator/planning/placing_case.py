"""All that decides where a trial runs: its model, its batch, the GPU, and what the user fixed; and what divides what.

The batch is science: GPUs x micro-batch x accumulation is exactly the completions of one optimizer update, so that
what is trained never depends on where.
"""

from __future__ import annotations

from dataclasses import dataclass

from db.errors import SpecError
from orchestrator.planning.architectures import Architecture
from orchestrator.planning.memory import Training
from workers.gpus import GpuType

MIN_LIVE_COMPLETIONS = 32  # of an engine; fewer leave a decoding GPU idle most of the time
USABLE_SHARE = 0.94  # the rest is lost to fragmentation and to what the driver keeps
MAX_GPUS = 1024


@dataclass(frozen=True)
class BatchRecipe:
    """The batch of a trial: it is science, so no placement may change it. Lengths are limits, in tokens."""

    prompts_per_step: int
    group_size: int
    updates_per_step: int
    max_prompt_tokens: int
    max_completion_tokens: int

    def __post_init__(self) -> None:
        if self.completions_per_step % self.updates_per_step:
            raise SpecError(
                f"The {self.completions_per_step} completions of a step do not divide into {self.updates_per_step} "
                "optimizer updates."
            )

    @property
    def completions_per_step(self) -> int:
        return self.prompts_per_step * self.group_size

    @property
    def completions_per_update(self) -> int:
        return self.completions_per_step // self.updates_per_step

    @property
    def max_tokens(self) -> int:
        return self.max_prompt_tokens + self.max_completion_tokens


@dataclass(frozen=True)
class Wishes:
    """What the user fixed; None leaves it to the planner. `max_gpus` is what the cluster has.

    `nodes` is over how many nodes the GPUs are spread, `gpus` the number of all of them that train. `server_gpus` are
    those of a vLLM server of the trial's own, 0 where vLLM generates on the GPUs that train. GPUs are added until each
    engine has a cache for `live_completions` at full length. `has_turns`: a block is drawn in turns, of which each GPU
    may take another number.
    """

    gpus: int | None = None
    server_gpus: int = 0
    nodes: int | None = None
    tensor_parallel: int | None = None
    micro_batch: int | None = None
    sleep_mode: bool | None = None
    live_completions: int = MIN_LIVE_COMPLETIONS
    has_turns: bool = False
    max_gpus: int = MAX_GPUS


@dataclass(frozen=True)
class Case:
    """All that decides a placement; `limit` is what one GPU may hold, in bytes."""

    architecture: Architecture
    gpu: GpuType
    recipe: BatchRecipe
    training: Training
    wishes: Wishes

    @property
    def limit(self) -> float:
        return USABLE_SHARE * self.gpu.memory_bytes


def check_division(case: Case, gpus: int) -> None:
    """Raise SpecError where the batch or the wishes do not divide over `gpus`, with what does."""
    completions, micro_batch = case.recipe.completions_per_update, case.wishes.micro_batch
    if gpus < 1 or completions % gpus:
        divisors = ", ".join(str(n) for n in range(1, min(completions, 64) + 1) if completions % n == 0)
        raise SpecError(
            f"The {completions} completions of one optimizer update do not divide over {gpus} GPUs; "
            f"use one of {divisors}{', ...' if completions > 64 else ''}, or another batch."
        )
    if micro_batch is not None and (completions // gpus) % micro_batch:
        raise SpecError(
            f"A micro-batch of {micro_batch} does not divide the {completions // gpus} completions that each of "
            f"{gpus} GPUs has in one optimizer update."
        )
    nodes = case.wishes.nodes
    if nodes is not None and not can_spread(case, gpus):
        raise SpecError(
            f"{named_gpus(gpus, case.gpu)} cannot be spread evenly over {nodes} node{'' if nodes == 1 else 's'} of "
            f"{case.gpu.gpus_per_node}."
        )
    parallel = case.wishes.tensor_parallel
    if parallel is not None and gpus % parallel and not case.wishes.server_gpus:
        raise SpecError(f"A tensor parallelism of {parallel} does not divide {gpus} GPUs.")


def can_spread(case: Case, gpus: int) -> bool:
    """Whether as many GPUs as that go into the nodes that are asked for, equally many into each."""
    nodes = case.wishes.nodes
    return nodes is None or (gpus % nodes == 0 and gpus // nodes <= case.gpu.gpus_per_node)


def named_gpus(number: int, gpu: GpuType) -> str:
    """`1 H100-80GB GPU`, `8 H100-80GB GPUs`."""
    return f"{number} {gpu.name} GPU{'' if number == 1 else 's'}"
