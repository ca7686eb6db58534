"""How a trial is laid out on a given number of GPUs: parallelism, micro-batch, accumulation, sleep mode, memory.

GPUs x micro-batch x accumulation is exactly the completions of one optimizer update: what is trained never depends
on where.

Training and generation take turns on the same GPUs. In sleep mode the engine gives its weights and cache back while
the policy trains; without it they stay, which saves the reloading and costs their memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from db.errors import SpecError
from orchestrator.planning.architectures import Architecture
from orchestrator.planning.gpus import GIGABYTE, GpuType
from orchestrator.planning.memory import (
    PhaseMemory,
    Training,
    engine_weights,
    generation_memory,
    kv_bytes_per_token,
    training_memory,
)

USABLE_SHARE = 0.94  # the rest is lost to fragmentation and to what the driver keeps
MICRO_BATCH_TOKENS = 8192  # enough to keep a GPU's matrix units busy; more only takes memory
MIN_LIVE_COMPLETIONS = 32  # at full length; fewer leave a decoding GPU idle most of the time
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
    """What the user fixed; None leaves it to the planner. `max_gpus` is what the cluster has."""

    gpus: int | None = None
    tensor_parallel: int | None = None
    micro_batch: int | None = None
    max_gpus: int = MAX_GPUS


@dataclass(frozen=True)
class Placement:
    """Where and how a trial runs, and what one GPU holds at the peak of each phase.

    `kv_room_bytes` is what is left for the cache, `live_completions` how many of full length that is for each engine.
    `is_sleep_needed` says that without sleep mode the trial would not fit at all; else it only gives the cache room.
    """

    gpu: GpuType
    gpus: int
    nodes: int
    tensor_parallel: int
    micro_batch: int
    accumulation: int
    sleep_mode: bool
    is_sleep_needed: bool
    training: PhaseMemory
    generation: PhaseMemory
    kv_room_bytes: float
    live_completions: int

    @property
    def engine_memory_share(self) -> float:
        """The share of a GPU that the engine may take: its weights and its cache."""
        terms = self.generation.terms
        return (terms["engine_weights"] + terms["kv_cache"]) / self.gpu.memory_bytes


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
    parallel = case.wishes.tensor_parallel
    if parallel is not None and gpus % parallel:
        raise SpecError(f"A tensor parallelism of {parallel} does not divide {gpus} GPUs.")


def lay_out(case: Case, gpus: int, *, wanted: int) -> Placement | str:
    """The placement on exactly `gpus` GPUs with the least parallelism that holds `wanted` live completions.

    Returns in words what is too large where there is none.
    """
    micro_batch, training = _micro_batch(case, gpus)
    if training.total > case.limit:
        return _too_much(case, gpus, "training", training)
    short = None
    for parallel in _parallelisms(case, gpus):
        placed = _with_engine(case, gpus, parallel, micro_batch, training)
        needed = min(wanted, _completions_per_engine(case, gpus, parallel))
        if placed.live_completions >= needed:
            return placed
        short = placed
    if short is None:
        return (
            f"No tensor parallelism divides {named_gpus(gpus, case.gpu)} and the model's "
            f"{case.architecture.shape.num_attention_heads} attention heads as asked."
        )
    # The cache that is wanted is part of what does not fit.
    live = min(wanted, _completions_per_engine(case, gpus, short.tensor_parallel)) * _cached_tokens(case)
    memory = generation_memory(
        case.architecture, case.training, gpus=gpus, tensor_parallel=short.tensor_parallel, live_tokens=live
    )
    return _too_much(case, gpus, f"generation with tensor parallelism {short.tensor_parallel}", memory)


def _micro_batch(case: Case, gpus: int) -> tuple[int, PhaseMemory]:
    """The largest micro-batch of at most `MICRO_BATCH_TOKENS` that fits, and the training peak with it."""
    per_gpu = case.recipe.completions_per_update // gpus
    most = max(MICRO_BATCH_TOKENS // case.recipe.max_tokens, 1)
    sizes = [case.wishes.micro_batch] if case.wishes.micro_batch else _divisors(per_gpu, most)
    for size in sizes:
        memory = training_memory(
            case.architecture, case.training, gpus=gpus, micro_batch_tokens=size * case.recipe.max_tokens
        )
        if memory.total <= case.limit:
            break
    return size, memory


def _divisors(number: int, most: int) -> list[int]:
    """Of `number`, from the largest that is not above `most` down to 1."""
    return [size for size in range(min(number, most), 0, -1) if number % size == 0]


def _parallelisms(case: Case, gpus: int) -> list[int]:
    """Tensor parallelisms within a node that the GPUs and the model's heads and feed-forward size allow."""
    shape = case.architecture.shape
    asked = case.wishes.tensor_parallel
    most = min(gpus, case.gpu.gpus_per_node)
    candidates = [asked] if asked else [2**power for power in range(most.bit_length()) if 2**power <= most]
    return [
        parallel
        for parallel in candidates
        if gpus % parallel == 0
        and shape.num_attention_heads % parallel == 0
        and shape.ffn_size % parallel == 0
        and (shape.num_key_value_heads % parallel == 0 or parallel % shape.num_key_value_heads == 0)
    ]


def _with_engine(case: Case, gpus: int, parallel: int, micro_batch: int, training: PhaseMemory) -> Placement:
    """A placement with whatever cache is left, which may be none."""
    weights = engine_weights(case.architecture, tensor_parallel=parallel)
    alone = generation_memory(case.architecture, case.training, gpus=gpus, tensor_parallel=parallel, live_tokens=0)
    room_asleep = case.limit - alone.total
    room_awake = case.limit - training.total - weights
    all_of_them = _completions_per_engine(case, gpus, parallel)
    per_token = kv_bytes_per_token(case.architecture, tensor_parallel=parallel)
    per_completion = per_token * _cached_tokens(case)
    sleep_mode = room_awake < min(MIN_LIVE_COMPLETIONS, all_of_them) * per_completion
    room = max(room_asleep if sleep_mode else room_awake, 0.0)
    cache = min(room, all_of_them * per_completion)
    return Placement(
        gpu=case.gpu,
        gpus=gpus,
        nodes=-(-gpus // case.gpu.gpus_per_node),
        tensor_parallel=parallel,
        micro_batch=micro_batch,
        accumulation=case.recipe.completions_per_update // (gpus * micro_batch),
        sleep_mode=sleep_mode,
        is_sleep_needed=room_awake < per_completion,
        training=training if sleep_mode else training.plus(engine_weights=weights, kv_cache=cache),
        generation=alone.plus(kv_cache=cache),
        kv_room_bytes=room,
        live_completions=min(int(room // per_completion), all_of_them),
    )


def _completions_per_engine(case: Case, gpus: int, parallel: int) -> int:
    return -(-case.recipe.completions_per_step * parallel // gpus)


def _cached_tokens(case: Case) -> int:
    """Tokens in the cache of one completion at its full length."""
    return min(case.recipe.max_tokens, case.architecture.shape.sliding_window or case.recipe.max_tokens)


def _too_much(case: Case, gpus: int, phase_name: str, memory: PhaseMemory) -> str:
    terms = sorted(memory.terms.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{name.replace('_', ' ')} {_gigabytes(size)}" for name, size in terms)
    return (
        f"On {named_gpus(gpus, case.gpu)} {phase_name} needs {_gigabytes(memory.total)} on each and "
        f"{_gigabytes(case.limit)} are usable, {_gigabytes(memory.total - case.limit)} too few. The largest term is "
        f"{memory.largest.replace('_', ' ')} ({parts})."
    )


def named_gpus(number: int, gpu: GpuType) -> str:
    """`1 H100-80GB GPU`, `8 H100-80GB GPUs`."""
    return f"{number} {gpu.name} GPU{'' if number == 1 else 's'}"


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:.1f} GB"
