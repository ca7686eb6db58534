"""How much memory one trial takes on each GPU, or on a CPU, term by term.

N parameters over G GPUs (fully sharded), a generation engine on every TP of them:
    state       (16 + r) N / G      float32 weights 4, gradients 4, Adam 8; r bytes for the reference
    LoRA state  2 N / G + 16 N_lora / G
    activations 2 h L tok + tok 2 (6 h + 2 (n_q + 2 n_kv) d + 4 f)     all layers' inputs, one layer recomputed
    gather      2 layers and the head in bfloat16, whole on every GPU while they are used
    logits      2 x 4,096 x 32,768 + 4 h V + 4 h tok, as far as it is more than one layer and its weights take
    engine      2 N / TP weights, 2 x 2 L n_kv d / TP a token of key-value cache, and its recorded graphs
`tok` are the padded tokens of a micro-batch. Bytes everywhere, and gigabytes are decimal.

There is no term for the logits of all tokens, V numbers each, because they never exist: TRL 1.16 projects the hidden
states in tiles of at most 4,096 tokens by 32,768 entries of the vocabulary, keeps running sums of each token, and makes
the tiles anew in the backward pass. What it holds there is a tile, and the gradients of the head (the whole of it, on
every GPU) and of the hidden states in float32. The backward pass is through with the head before it comes to the
layers, so of the head's share and one layer's only the larger counts.

Three terms are not derived but judged, and named as constants here: what the CUDA context and NCCL take, what the
engine's graphs take, and what a Python process with torch and TRL takes on a CPU. Fragmentation is covered by the
share of a GPU that `placement` leaves free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from db.errors import SpecError
from orchestrator.planning.architectures import Architecture
from workers.flops import Lora

CONTEXT_BYTES = 3e9
GRAPH_BYTES = 2e9  # kept while the engine sleeps
CPU_PROCESS_BYTES = 1.5e9  # torch, transformers and TRL; tiny models' trials were seen to take 0.9 to 1.9 GB

_WEIGHTS, _GRADIENTS, _ADAM = 4, 4, 8  # bytes a parameter: all in float32
_BFLOAT16, _FLOAT32 = 2, 4
# TRL's tiles of logits: trl.kernels.chunked_logprob and trl.trainer.utils.
_TILE_TOKENS, _TILE_WIDTH = 4096, 32768
# On a CPU a tile is turned into its gradient by plain tensor operations; 9 tiles were seen at the peak. On a GPU one
# kernel does it in place.
_CPU_TILES = 9
_DRAWN_COPIES = 3  # of the next token's logits while transformers draws it: logits, scaled, probabilities


@dataclass(frozen=True)
class PhaseMemory:
    """Bytes that one device holds at a phase's peak, by what they are for."""

    terms: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.terms.values())

    @property
    def largest(self) -> str:
        """The name of the largest term."""
        return max(self.terms, key=lambda name: self.terms[name])

    def plus(self, **terms: float) -> PhaseMemory:
        return phase(**self.terms, **terms)


def phase(**terms: float) -> PhaseMemory:
    """Terms that are zero are left out."""
    return PhaseMemory({name: size for name, size in terms.items() if size})


@dataclass(frozen=True)
class Training:
    """What is trained and kept: `reference_bytes` a parameter for the reference policy, 0 where there is none.

    2 is a reference in bfloat16; 4 is TRL's own, which takes the policy's float32.
    """

    reference_bytes: int = 0
    lora: Lora | None = None
    gradient_checkpointing: bool = True

    def __post_init__(self) -> None:
        if self.reference_bytes not in (0, 2, 4):
            raise SpecError(f"a reference has 0, 2 or 4 bytes a parameter, not {self.reference_bytes}.")
        if self.reference_bytes and self.lora is not None:
            raise SpecError("with LoRA the reference is the model without its adapters; it takes no bytes of its own.")


def state_memory(architecture: Architecture, training: Training, *, gpus: int = 1) -> PhaseMemory:
    """Weights, gradients, optimizer and reference of one GPU."""
    total = architecture.total_params / gpus
    if training.lora is not None:
        adapters = lora_params(architecture, training.lora) / gpus
        return phase(weights=_BFLOAT16 * total, adapters=(_WEIGHTS + _GRADIENTS + _ADAM) * adapters)
    return phase(
        weights=_WEIGHTS * total,
        gradients=_GRADIENTS * total,
        optimizer=_ADAM * total,
        reference=training.reference_bytes * total,
    )


def lora_params(architecture: Architecture, lora: Lora) -> int:
    """Parameters of the adapters. Raises SpecError where they cannot be counted."""
    try:
        return lora.weights(architecture.shape)
    except ValueError as error:
        raise SpecError(f"LoRA with targets {lora.targets!r}: {error}.") from None


def activation_memory(architecture: Architecture, *, tokens: int, checkpointing: bool, width: int) -> float:
    """Bytes of activations for a micro-batch of `tokens` padded tokens, `width` bytes a number.

    With checkpointing every layer keeps its input and one layer at a time has all of its intermediate results.
    """
    shape = architecture.shape
    one_layer = _one_layer(architecture, tokens=tokens, width=width)
    if not checkpointing:
        return float(shape.num_layers * one_layer)
    return float(width * shape.hidden_size * shape.num_layers * tokens + one_layer)


def _one_layer(architecture: Architecture, *, tokens: int, width: int) -> float:
    """Bytes of all intermediate results of one layer."""
    shape = architecture.shape
    heads = shape.num_attention_heads + 2 * shape.num_key_value_heads
    return float(width * tokens * (6 * shape.hidden_size + 2 * heads * shape.head_dim + 4 * shape.ffn_size))


def _head_gradients(architecture: Architecture, training: Training, *, tokens: int) -> float:
    """Bytes of the gradients that the backward pass of the logits adds up, in float32."""
    head = architecture.shape.head_weights if training.lora is None else 0  # adapters leave the head as it is
    return float(_FLOAT32 * (head + architecture.shape.hidden_size * tokens))


def training_memory(
    architecture: Architecture, training: Training, *, gpus: int, micro_batch_tokens: int, has_engine: bool = True
) -> PhaseMemory:
    """One GPU while it trains, with a sleeping engine beside it (`has_engine`)."""
    activations = activation_memory(
        architecture, tokens=micro_batch_tokens, checkpointing=training.gradient_checkpointing, width=_BFLOAT16
    )
    two_layers = _BFLOAT16 * 2 * architecture.layer_params
    one_layer = _one_layer(architecture, tokens=micro_batch_tokens, width=_BFLOAT16)
    tile = _BFLOAT16 * min(micro_batch_tokens, _TILE_TOKENS) * _TILE_WIDTH  # as wide for a smaller vocabulary
    logits = tile + _head_gradients(architecture, training, tokens=micro_batch_tokens)
    if training.gradient_checkpointing:
        logits -= one_layer  # is recomputed later
    return state_memory(architecture, training, gpus=gpus).plus(
        activations=activations,
        gathered_weights=two_layers + _BFLOAT16 * architecture.shape.head_weights,
        logits=max(logits - two_layers, 0.0),
        engine_graphs=GRAPH_BYTES if has_engine else 0,
        context=CONTEXT_BYTES,
    )


def engine_weights(architecture: Architecture, *, tensor_parallel: int) -> float:
    """Bytes of the engine's own copy of the weights on one GPU, in bfloat16."""
    return _BFLOAT16 * architecture.total_params / tensor_parallel


def kv_bytes_per_token(architecture: Architecture, *, tensor_parallel: int = 1, width: int = _BFLOAT16) -> float:
    """Bytes of key-value cache that one live token takes on one GPU.

    Beyond one key-value head a GPU more parallelism saves nothing: the heads are repeated.
    """
    shape = architecture.shape
    heads = max(shape.num_key_value_heads / tensor_parallel, 1)
    return 2 * width * shape.num_layers * heads * shape.head_dim


def generation_memory(
    architecture: Architecture, training: Training, *, gpus: int, tensor_parallel: int, live_tokens: float
) -> PhaseMemory:
    """One GPU while the engine draws, `live_tokens` of them in its cache; the trainer's state stays beside it."""
    return state_memory(architecture, training, gpus=gpus).plus(
        engine_weights=engine_weights(architecture, tensor_parallel=tensor_parallel),
        kv_cache=live_tokens * kv_bytes_per_token(architecture, tensor_parallel=tensor_parallel),
        engine_graphs=GRAPH_BYTES,
        context=CONTEXT_BYTES,
    )


def server_memory(architecture: Architecture, *, gpus: int, live_tokens: float) -> PhaseMemory:
    """One GPU of a vLLM server over `gpus` of them, where nothing trains."""
    return phase(
        engine_weights=engine_weights(architecture, tensor_parallel=gpus),
        kv_cache=live_tokens * kv_bytes_per_token(architecture, tensor_parallel=gpus),
        engine_graphs=GRAPH_BYTES,
        context=CONTEXT_BYTES,
    )


def cpu_memory(
    architecture: Architecture,
    training: Training,
    *,
    micro_batch: int,
    completions_per_step: int,
    max_prompt_tokens: int,
    max_completion_tokens: int,
) -> PhaseMemory:
    """A trial's process on a CPU at its peak, all in float32, completions drawn by transformers."""
    length = max_prompt_tokens + max_completion_tokens
    shape = architecture.shape
    state = state_memory(architecture, training)
    activations = activation_memory(
        architecture, tokens=micro_batch * length, checkpointing=training.gradient_checkpointing, width=_FLOAT32
    )
    tokens = micro_batch * length
    tile = _FLOAT32 * min(tokens, _TILE_TOKENS) * min(shape.vocab_size, _TILE_WIDTH)
    logits = _CPU_TILES * tile + _head_gradients(architecture, training, tokens=tokens)
    cache = completions_per_step * length * kv_bytes_per_token(architecture, width=_FLOAT32)
    drawn = _DRAWN_COPIES * _FLOAT32 * completions_per_step * shape.vocab_size
    # Drawing and training take turns: the larger of the two counts.
    if activations + logits >= cache + drawn:
        return state.plus(process=CPU_PROCESS_BYTES, activations=activations, logits=logits)
    return state.plus(process=CPU_PROCESS_BYTES, kv_cache=cache, logits=drawn)
