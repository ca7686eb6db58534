"""Model FLOPs of each phase of a rollout block, by exact formulas for decoders with grouped-query attention.

Counts what the algorithm needs: real tokens without padding, causal attention, every matrix multiplication as two
FLOPs a multiply-add, the head where it is applied, the embedding look-up as nothing. It does not count padding,
recomputation, or what a prefix cache saves: those belong to an execution, not to the algorithm, and are in
`workers.executed_flops`.

With h hidden size, L layers, n_q and n_kv heads of size d, f feed-forward size, V vocabulary:
    P = L (2 h n_q d + 2 h n_kv d + 3 h f)     weights of all matrices but embedding and head
    H = h V                                    weights of the head
    A = L n_q d                                attention width
    forward(s, t)  = 2 P s + 2 H t + 2 A s (s + 1)          s tokens, of which t have the head applied
    generate(p, c) = forward over p + c - 1 tokens with the head on c of them, with a key-value cache
A backward pass costs two forward passes (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
With experts, f is the sum over the experts that one token visits, and P has the router's h x experts too. With a
sliding window of w, a token attends to at most w tokens, itself among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workers import spec

FORMULA_VERSION = 1


@dataclass(frozen=True)
class DecoderShape:
    """The sizes that FLOPs depend on.

    `ffn_size` is what one token passes through; `num_experts` is 0 for a dense model.
    """

    hidden_size: int
    num_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    ffn_size: int
    vocab_size: int
    num_experts: int = 0
    sliding_window: int | None = None

    @classmethod
    def from_config(cls, config: Any) -> DecoderShape:
        """From a Hugging Face configuration of a Qwen2, Qwen3, Llama or Mistral model, dense or with experts.

        Raises ValueError for a model whose layers are of different kinds: one shape cannot describe it.
        """
        heads = int(config.num_attention_heads)
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        return cls(
            hidden_size=int(config.hidden_size),
            num_layers=int(config.num_hidden_layers),
            num_attention_heads=heads,
            num_key_value_heads=int(config.num_key_value_heads),
            head_dim=int(head_dim),
            ffn_size=_ffn_size(config),
            vocab_size=int(config.vocab_size),
            num_experts=_num_experts(config),
            sliding_window=_sliding_window(config),
        )

    @property
    def matrix_weights(self) -> int:
        """P: weights of every matrix but embedding and head."""
        attention = 2 * self.hidden_size * self.head_dim * (self.num_attention_heads + self.num_key_value_heads)
        return self.num_layers * (attention + self.hidden_size * (3 * self.ffn_size + self.num_experts))

    @property
    def head_weights(self) -> int:
        """H: weights of the language-model head."""
        return self.hidden_size * self.vocab_size

    @property
    def attention_width(self) -> int:
        """A: what the attention scores and their use of the values cost for each pair of tokens."""
        return self.num_layers * self.num_attention_heads * self.head_dim


def _num_experts(config: Any) -> int:
    return int(getattr(config, "num_experts", None) or getattr(config, "num_local_experts", None) or 0)


def _ffn_size(config: Any) -> int:
    if not _num_experts(config):
        return int(config.intermediate_size)
    if getattr(config, "mlp_only_layers", None) or getattr(config, "decoder_sparse_step", 1) != 1:
        raise ValueError("some layers have experts and some have not (mlp_only_layers, decoder_sparse_step)")
    expert_size = getattr(config, "moe_intermediate_size", None) or config.intermediate_size
    return int(config.num_experts_per_tok * expert_size)


def _sliding_window(config: Any) -> int | None:
    """The window of every layer; None where none has one. Qwen's have one from layer `max_window_layers` on."""
    window = getattr(config, "sliding_window", None)
    if window is None or not getattr(config, "use_sliding_window", True):
        return None
    layers_without = min(getattr(config, "max_window_layers", None) or 0, config.num_hidden_layers)
    if 0 < layers_without < config.num_hidden_layers:
        raise ValueError("some layers have a sliding window and some have not (max_window_layers)")
    return int(window) if layers_without == 0 else None


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters on the attention projections, or on those and the feed-forward ones."""

    rank: int
    targets: spec.AdapterTargets = "all_linear"

    @classmethod
    def from_spec(cls, lora: spec.Lora | None) -> Lora | None:
        """The adapters of a specification; None for a full training."""
        return None if lora is None else cls(lora.rank, lora.targets)

    def weights(self, shape: DecoderShape) -> int:
        """Trained weights: for each adapted matrix, rank x (inputs + outputs)."""
        if self.targets == "all_linear" and shape.num_experts:
            raise ValueError("adapters on experts are not counted; adapt the attention only")
        queries = shape.num_attention_heads * shape.head_dim
        keys = shape.num_key_value_heads * shape.head_dim
        ends = 2 * (shape.hidden_size + queries) + 2 * (shape.hidden_size + keys)
        if self.targets == "all_linear":
            ends += 3 * (shape.hidden_size + shape.ffn_size)
        return shape.num_layers * self.rank * ends


@dataclass(frozen=True)
class BlockFlops:
    """FLOPs of one rollout block by phase."""

    generation: float
    old_logprob: float
    reference: float
    train: float

    @property
    def total(self) -> float:
        return self.generation + self.old_logprob + self.reference + self.train


def attention_flops(shape: DecoderShape, *, tokens: float) -> float:
    """Scores and their use of the values in one forward pass: four FLOPs for each pair of tokens and unit of A."""
    window = shape.sliding_window
    if window is None or tokens <= window:
        return float(2 * shape.attention_width * tokens * (tokens + 1))
    return float(2 * shape.attention_width * window * (2 * tokens - window + 1))


def layer_forward_flops(shape: DecoderShape, *, tokens: float, lora: Lora | None = None) -> float:
    """The layers' matrices in a forward pass, and the adapters beside them: in proportion to `tokens`."""
    return 2.0 * (shape.matrix_weights + (lora.weights(shape) if lora else 0)) * tokens


def layer_train_flops(
    shape: DecoderShape, *, tokens: float, lora: Lora | None = None, inputs_need_gradients: bool = False
) -> float:
    """The layers' matrices forward and backward: in proportion to `tokens`.

    Where only adapters learn, frozen matrices pass gradients on but get none themselves. The first layer's query, key
    and value projections, and the adapters' first matrices there, need not even pass them on: nothing below them
    learns. `inputs_need_gradients` is for those who ask for them nevertheless.
    """
    if lora is None:
        return 6.0 * shape.matrix_weights * tokens
    heads = shape.num_attention_heads + 2 * shape.num_key_value_heads
    not_passed_on = 0 if inputs_need_gradients else 2 * shape.hidden_size * (heads * shape.head_dim + 3 * lora.rank)
    return (4.0 * shape.matrix_weights + 6 * lora.weights(shape) - not_passed_on) * tokens


def forward_flops(shape: DecoderShape, *, tokens: float, head_tokens: float, lora: Lora | None = None) -> float:
    """One forward pass over a sequence of `tokens`, with the head applied to `head_tokens` of them."""
    layers = layer_forward_flops(shape, tokens=tokens, lora=lora)
    return layers + 2 * shape.head_weights * head_tokens + attention_flops(shape, tokens=tokens)


def train_flops(shape: DecoderShape, *, tokens: float, head_tokens: float, lora: Lora | None = None) -> float:
    """Forward and backward over one sequence; with `lora` the adapters alone learn."""
    head = (4 if lora else 6) * shape.head_weights * head_tokens
    return layer_train_flops(shape, tokens=tokens, lora=lora) + head + 3 * attention_flops(shape, tokens=tokens)


def generation_flops(shape: DecoderShape, *, prompt_tokens: float, completion_tokens: float) -> float:
    """Drawing one completion with a key-value cache; the last token drawn is never fed back."""
    return forward_flops(shape, tokens=prompt_tokens + completion_tokens - 1, head_tokens=completion_tokens)


def block_flops(
    shape: DecoderShape,
    lengths: Sequence[tuple[float, float]],
    *,
    has_old_logprobs: bool,
    has_reference: bool,
    trained_lengths: Sequence[tuple[float, float]] | None = None,
    num_epochs: int = 1,
    lora: Lora | None = None,
) -> BlockFlops:
    """The phases of one rollout block; `lengths` holds (prompt, completion) tokens of every completion.

    Completions whose group has no variance, and masked ones, cost as much as the others. `trained_lengths` is given
    where not all that were drawn and scored are trained on. With `lora`, completions
    are drawn from merged weights, and the reference is the same model without its adapters.
    """

    def scoring(adapters: Lora | None) -> float:
        return sum(forward_flops(shape, tokens=p + c, head_tokens=c, lora=adapters) for p, c in lengths)

    trained = lengths if trained_lengths is None else trained_lengths
    return BlockFlops(
        generation=sum(generation_flops(shape, prompt_tokens=p, completion_tokens=c) for p, c in lengths),
        old_logprob=scoring(lora) if has_old_logprobs else 0.0,
        reference=scoring(None) if has_reference else 0.0,
        train=num_epochs * sum(train_flops(shape, tokens=p + c, head_tokens=c, lora=lora) for p, c in trained),
    )
