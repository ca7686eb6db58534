"""How a trial is laid out on a given number of GPUs: parallelism, micro-batch, accumulation, sleep mode, memory.

Training and generation take turns on the same GPUs. In sleep mode the engine gives its weights and cache back while
the policy trains; without it they stay, which saves the reloading and costs their memory. With a vLLM server of the
trial's own they still take turns, each on GPUs where the other takes no memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.planning.memory import (
    PhaseMemory,
    engine_weights,
    generation_memory,
    kv_bytes_per_token,
    server_memory,
    training_memory,
)
from orchestrator.planning.placing_case import MIN_LIVE_COMPLETIONS, Case, named_gpus
from workers.flops import DecoderShape
from workers.gpus import GIGABYTE, GpuType
from workers.spec.execution import SERVER_MEMORY_SHARE

MICRO_BATCH_TOKENS = 8192  # enough to keep a GPU's matrix units busy; more only takes memory


@dataclass(frozen=True)
class Placement:
    """Where and how a trial runs, and what one GPU holds at the peak of each phase.

    `gpus` train; `server_gpus` are beside them, and then `generation` is what one of those holds.
    `kv_room_bytes` is what is left for the cache, `live_completions` how many of full length that is for each engine,
    `wanted_cache_bytes` what as many take as keep a GPU busy.
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
    wanted_cache_bytes: float
    live_completions: int
    server_gpus: int = 0

    @property
    def all_gpus(self) -> int:
        """Those that train and those of the server."""
        return self.gpus + self.server_gpus

    @property
    def peak_bytes(self) -> float:
        """What one GPU holds in the fuller of the two phases."""
        return max(self.training.total, self.generation.total)

    @property
    def needed_bytes(self) -> float:
        """The same without the cache, which takes what is free."""
        return max(memory.total - memory.terms.get("kv_cache", 0.0) for memory in (self.training, self.generation))

    @property
    def engine_memory_share(self) -> float:
        """The share of a GPU that the engine may take: its weights and its cache."""
        terms = self.generation.terms
        return (terms["engine_weights"] + terms["kv_cache"]) / self.gpu.memory_bytes


def lay_out(case: Case, gpus: int, *, wanted: int) -> Placement | str:
    """The placement on exactly `gpus` GPUs with the least parallelism that holds `wanted` live completions.

    Returns in words what is too large where there is none.
    """
    micro_batch, training = _micro_batch(case, gpus)
    if training.total > case.limit:
        return _too_much(case, gpus, "training", training)
    if case.wishes.server_gpus:
        return _beside_server(case, gpus, micro_batch, training, wanted=wanted)
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
    return _too_little_cache(case, gpus, short.tensor_parallel, training, wanted=wanted)


def _too_little_cache(case: Case, gpus: int, parallel: int, training: PhaseMemory, *, wanted: int) -> str:
    """The cache that is wanted is part of what does not fit."""
    live = min(wanted, _completions_per_engine(case, gpus, parallel)) * _cached_tokens(case)
    memory = generation_memory(case.architecture, case.training, gpus=gpus, tensor_parallel=parallel, live_tokens=live)
    if _sleep_mode(case, gpus) is False:
        kept = {name: memory.terms[name] for name in ("engine_weights", "kv_cache")}
        return _too_much(case, gpus, "training without sleep mode", training.plus(**kept))
    return _too_much(case, gpus, f"generation with tensor parallelism {parallel}", memory)


def _sleep_mode(case: Case, gpus: int) -> bool | None:
    """What is fixed of it. An engine that wakes for a turn gathers the weights anew, and would wait for the others."""
    if case.wishes.sleep_mode is None and case.wishes.has_turns and gpus > 1:
        return False
    return case.wishes.sleep_mode


def _micro_batch(case: Case, gpus: int) -> tuple[int, PhaseMemory]:
    """The largest micro-batch of at most `MICRO_BATCH_TOKENS` that fits, and the training peak with it."""
    per_gpu = case.recipe.completions_per_update // gpus
    most = max(MICRO_BATCH_TOKENS // case.recipe.max_tokens, 1)
    sizes = [case.wishes.micro_batch] if case.wishes.micro_batch else _divisors(per_gpu, most)
    for size in sizes:
        memory = training_memory(
            case.architecture,
            case.training,
            gpus=gpus,
            micro_batch_tokens=size * case.recipe.max_tokens,
            has_engine=not case.wishes.server_gpus,
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
    most = min(gpus // (case.wishes.nodes or 1), case.gpu.gpus_per_node)
    candidates = [asked] if asked else [2**power for power in range(most.bit_length()) if 2**power <= most]
    return [parallel for parallel in candidates if gpus % parallel == 0 and _can_be_parallel(shape, parallel)]


def _can_be_parallel(shape: DecoderShape, parallel: int) -> bool:
    """Whether that many GPUs can share each matrix."""
    return (
        shape.num_attention_heads % parallel == 0
        and shape.ffn_size % parallel == 0
        and (shape.num_key_value_heads % parallel == 0 or parallel % shape.num_key_value_heads == 0)
    )


def _beside_server(case: Case, gpus: int, micro_batch: int, training: PhaseMemory, *, wanted: int) -> Placement | str:
    """The placement of a trial whose completions one engine draws, on all GPUs of its server."""
    server_gpus, architecture = case.wishes.server_gpus, case.architecture
    if not _can_be_parallel(architecture.shape, server_gpus):
        return (
            f"The model's {architecture.shape.num_attention_heads} attention heads cannot be shared by the "
            f"{server_gpus} GPUs of a server (server_gpus)."
        )
    alone = server_memory(architecture, gpus=server_gpus, live_tokens=0)
    room = max(SERVER_MEMORY_SHARE * case.gpu.memory_bytes - alone.total, 0.0)
    per_completion = kv_bytes_per_token(architecture, tensor_parallel=server_gpus) * _cached_tokens(case)
    all_of_them = case.recipe.completions_per_step
    cache = min(room, all_of_them * per_completion)
    live = min(int(room // per_completion), all_of_them)
    if live < min(wanted, all_of_them):
        needed = alone.plus(kv_cache=min(wanted, all_of_them) * per_completion)
        return _too_much(case, server_gpus, "a vLLM server", needed)
    return Placement(
        gpu=case.gpu,
        gpus=gpus,
        nodes=1,
        tensor_parallel=server_gpus,
        micro_batch=micro_batch,
        accumulation=case.recipe.completions_per_update // (gpus * micro_batch),
        sleep_mode=False,
        is_sleep_needed=False,
        training=training,
        generation=alone.plus(kv_cache=cache),
        kv_room_bytes=room,
        wanted_cache_bytes=min(MIN_LIVE_COMPLETIONS, all_of_them) * per_completion,
        live_completions=live,
        server_gpus=server_gpus,
    )


def _with_engine(case: Case, gpus: int, parallel: int, micro_batch: int, training: PhaseMemory) -> Placement:
    """A placement with whatever cache is left, which may be none."""
    weights = engine_weights(case.architecture, tensor_parallel=parallel)
    alone = generation_memory(case.architecture, case.training, gpus=gpus, tensor_parallel=parallel, live_tokens=0)
    room_asleep = case.limit - alone.total
    room_awake = case.limit - training.total - weights
    all_of_them = _completions_per_engine(case, gpus, parallel)
    per_token = kv_bytes_per_token(case.architecture, tensor_parallel=parallel)
    per_completion = per_token * _cached_tokens(case)
    sleep_mode = _sleep_mode(case, gpus)
    if sleep_mode is None:
        sleep_mode = room_awake < min(MIN_LIVE_COMPLETIONS, all_of_them) * per_completion
    room = max(room_asleep if sleep_mode else room_awake, 0.0)
    cache = min(room, all_of_them * per_completion)
    return Placement(
        gpu=case.gpu,
        gpus=gpus,
        nodes=case.wishes.nodes or -(-gpus // case.gpu.gpus_per_node),
        tensor_parallel=parallel,
        micro_batch=micro_batch,
        accumulation=case.recipe.completions_per_update // (gpus * micro_batch),
        sleep_mode=sleep_mode,
        is_sleep_needed=room_awake < per_completion,
        training=training if sleep_mode else training.plus(engine_weights=weights, kv_cache=cache),
        generation=alone.plus(kv_cache=cache),
        kv_room_bytes=room,
        wanted_cache_bytes=min(MIN_LIVE_COMPLETIONS, all_of_them) * per_completion,
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


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:.1f} GB"
