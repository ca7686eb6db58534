"""Model FLOPs of each phase of a rollout block, by exact formulas for dense decoders with grouped-query attention.

Counts what the algorithm needs: real tokens without padding, causal attention, every matrix multiplication as two
FLOPs a multiply-add, the head where it is applied, the embedding look-up as nothing. It does not count padding,
recomputation, or what a prefix cache saves: those are properties of an execution, not of the algorithm.

With h hidden size, L layers, n_q and n_kv heads of size d, f feed-forward size, V vocabulary:
    P = L (2 h n_q d + 2 h n_kv d + 3 h f)     weights of all matrices but embedding and head
    H = h V                                    weights of the head
    A = L n_q d                                attention width
    forward(s, t)  = 2 P s + 2 H t + 2 A s (s + 1)          s tokens, of which t have the head applied
    generate(p, c) = forward over p + c - 1 tokens with the head on c of them, with a key-value cache
A backward pass costs two forward passes (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FORMULA_VERSION = 1


@dataclass(frozen=True)
class DecoderShape:
    """The sizes that FLOPs depend on."""

    hidden_size: int
    num_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    ffn_size: int
    vocab_size: int

    @classmethod
    def from_config(cls, config: Any) -> DecoderShape:
        """From a Hugging Face configuration of a Qwen2, Qwen3, Llama or Mistral model."""
        heads = int(config.num_attention_heads)
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        return cls(
            hidden_size=int(config.hidden_size),
            num_layers=int(config.num_hidden_layers),
            num_attention_heads=heads,
            num_key_value_heads=int(config.num_key_value_heads),
            head_dim=int(head_dim),
            ffn_size=int(config.intermediate_size),
            vocab_size=int(config.vocab_size),
        )

    @property
    def matrix_weights(self) -> int:
        """P: weights of every matrix but embedding and head."""
        attention = 2 * self.hidden_size * self.head_dim * (self.num_attention_heads + self.num_key_value_heads)
        return self.num_layers * (attention + 3 * self.hidden_size * self.ffn_size)

    @property
    def head_weights(self) -> int:
        """H: weights of the language-model head."""
        return self.hidden_size * self.vocab_size

    @property
    def attention_width(self) -> int:
        """A: what the attention scores and their use of the values cost for each pair of tokens."""
        return self.num_layers * self.num_attention_heads * self.head_dim


@dataclass(frozen=True)
class BlockFlops:
    """Model FLOPs of one rollout block by phase."""

    generation: float
    old_logprob: float
    reference: float
    train: float

    @property
    def total(self) -> float:
        return self.generation + self.old_logprob + self.reference + self.train


def forward_flops(shape: DecoderShape, *, tokens: int, head_tokens: int) -> float:
    """One forward pass over a sequence of `tokens`, with the head applied to `head_tokens` of them."""
    return float(
        2 * shape.matrix_weights * tokens
        + 2 * shape.head_weights * head_tokens
        + 2 * shape.attention_width * tokens * (tokens + 1)
    )


def generation_flops(shape: DecoderShape, *, prompt_tokens: int, completion_tokens: int) -> float:
    """Drawing one completion with a key-value cache; the last token drawn is never fed back."""
    return forward_flops(shape, tokens=prompt_tokens + completion_tokens - 1, head_tokens=completion_tokens)


def block_flops(
    shape: DecoderShape,
    lengths: Sequence[tuple[int, int]],
    *,
    has_old_logprobs: bool,
    has_reference: bool,
    num_epochs: int = 1,
) -> BlockFlops:
    """The phases of one rollout block; `lengths` holds (prompt, completion) tokens of every completion.

    Completions whose group has no variance, and masked ones, cost as much as the others.
    """
    generation = sum(generation_flops(shape, prompt_tokens=p, completion_tokens=c) for p, c in lengths)
    scoring = sum(forward_flops(shape, tokens=p + c, head_tokens=c) for p, c in lengths)
    return BlockFlops(
        generation=generation,
        old_logprob=scoring if has_old_logprobs else 0.0,
        reference=scoring if has_reference else 0.0,
        train=3.0 * scoring * num_epochs,
    )
