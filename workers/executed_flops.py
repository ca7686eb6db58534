"""FLOPs that a machine really did for a rollout block, by phase: beside `workers.flops`, which has what was needed.

Only matrix products count, as there. What is done on top of what is needed:

* Padding. Passes run over whole rectangles. Transformers draws for all rows until the longest completion ends.
* Attention over all pairs. `eager` and `sdpa` multiply them all and mask afterwards, `flash_attention_2` the causal
  ones of real tokens. The backward pass of a fused kernel computes the scores anew: 2.5 forward passes instead of 2.
* TRL's fused head computes its logits a second time in the backward pass. With Triton it looks at the completions'
  tokens alone; elsewhere, so on a CPU, at every position but the last.
* Gradient checkpointing runs each layer forward again, up to the last product that its backward pass needs.
* A pass for the sampling policy's log-probabilities where vLLM drew, although the recipe does without.
* Every process draws the whole block where transformers draws for several.
Less than what is needed: vLLM keeps the keys and values of a prompt's full cache blocks for the rest of its group.

Not counted: CUDA graphs' padding, sequences that vLLM evicts and starts again, TRL's merging of adapters. `sdpa` takes
causal pairs where nothing at all is padded, so there the figure is an upper bound; so it is for the head where
truncated completions are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workers.flops import (
    BlockFlops,
    DecoderShape,
    Lora,
    attention_flops,
    forward_flops,
    generation_flops,
    layer_forward_flops,
    layer_train_flops,
)

if TYPE_CHECKING:
    from workers.training.block_observer import BlockObserver, Drawn, PaddedPass

EXECUTED_FORMULA_VERSION = 1

Attention = Literal["eager", "sdpa", "flash_attention_2"]
Lengths = Sequence[tuple[int, int]]

_CUDA_CACHE_BLOCK, _CPU_CACHE_BLOCK = 16, 128  # tokens of vLLM 0.31


@dataclass(frozen=True)
class _Work:
    """All passes of one kind: padded tokens, positions of the head, and attention in one forward pass."""

    tokens: float
    head_tokens: float
    attention: float


def executed_flops(
    shape: DecoderShape,
    block: BlockObserver,
    *,
    engine: Literal["transformers", "vllm"],
    group_size: int,
    gradient_checkpointing: bool,
    lora: Lora | None,
    on_cuda: bool,
    attention: Attention = "sdpa",
) -> BlockFlops:
    """What all processes of a trial computed for `block`, which holds the observations of all of them."""
    if engine == "vllm":
        cache_block = _CUDA_CACHE_BLOCK if on_cuda else _CPU_CACHE_BLOCK
        generation = sum(
            _drawn_by_vllm(shape, draw, group_size=group_size, cache_block=cache_block) for draw in block.draws
        )
    else:
        turns = (turn for draw in block.draws for turn in draw.turns)
        generation = sum(_drawn_by_transformers(shape, lengths, lora) for lengths in turns)

    def work(kind: str, lengths: Lengths) -> _Work:
        passes = [each for each in block.passes if each.kind == kind]
        return _work(shape, passes, lengths, attention=attention, labelled_only=on_cuda)

    return BlockFlops(
        generation=generation,
        old_logprob=_forward(shape, work("old_logprob", block.lengths), lora),
        reference=_forward(shape, work("reference", block.lengths), None),
        train=_train(
            shape,
            work("train", block.trained_lengths),
            lora,
            attention=attention,
            gradient_checkpointing=gradient_checkpointing,
        ),
    )


def _work(
    shape: DecoderShape, passes: Sequence[PaddedPass], lengths: Lengths, *, attention: Attention, labelled_only: bool
) -> _Work:
    """The passes together go over each of `lengths` equally often: once, or once an epoch."""
    if not passes:
        return _Work(0.0, 0.0, 0.0)
    times = sum(each.rows for each in passes) / len(lengths)
    if attention == "flash_attention_2":
        pairs = times * sum(attention_flops(shape, tokens=p + c) for p, c in lengths)
    else:
        pairs = sum(4.0 * shape.attention_width * each.rows * each.tokens**2 for each in passes)
    labelled = times * sum(c for _, c in lengths)
    return _Work(
        tokens=float(sum(each.rows * each.tokens for each in passes)),
        head_tokens=labelled if labelled_only else float(sum(each.rows * (each.tokens - 1) for each in passes)),
        attention=pairs,
    )


def _forward(shape: DecoderShape, work: _Work, lora: Lora | None) -> float:
    layers = layer_forward_flops(shape, tokens=work.tokens, lora=lora)
    return layers + 2 * shape.head_weights * work.head_tokens + work.attention


def _train(
    shape: DecoderShape, work: _Work, lora: Lora | None, *, attention: Attention, gradient_checkpointing: bool
) -> float:
    # With adapters and checkpointing TRL asks for gradients of the embeddings' output, so the first layer passes on.
    layers = layer_train_flops(
        shape, tokens=work.tokens, lora=lora, inputs_need_gradients=lora is not None and gradient_checkpointing
    )
    # Logits twice, the gradient of the hidden states, and that of the head where it learns.
    head = (6 if lora else 8) * shape.head_weights * work.head_tokens
    backward = 2.0 if attention == "eager" else 2.5
    again = _recomputed(shape, work, lora) if gradient_checkpointing else 0.0
    return layers + head + (1 + backward) * work.attention + again


def _recomputed(shape: DecoderShape, work: _Work, lora: Lora | None) -> float:
    """Layers run again stop once they have what the backward pass wants: before each one's last product.

    That is the feed-forward output, or its adapter's second matrix; experts' outputs are wanted for the router.
    """
    if lora and lora.targets == "all_linear":
        last = lora.rank * shape.hidden_size
    else:
        last = 0 if shape.num_experts else shape.hidden_size * shape.ffn_size
    whole = layer_forward_flops(shape, tokens=work.tokens, lora=lora)
    return whole - 2.0 * shape.num_layers * last * work.tokens + work.attention


def _drawn_by_transformers(shape: DecoderShape, lengths: Lengths, lora: Lora | None) -> float:
    """Prompts padded to the longest, then all rows token by token until the longest completion ends.

    The head is applied to the last token of a prompt and to every token that is fed back.
    """
    prompt, completion = max(p for p, _ in lengths), max(c for _, c in lengths)
    fed = prompt + completion - 1
    pairs = prompt**2 + _decoded_pairs(prompt, fed, shape.sliding_window)
    layers = layer_forward_flops(shape, tokens=fed, lora=lora)
    each = layers + 2 * shape.head_weights * completion + 4 * shape.attention_width * pairs
    return len(lengths) * each


def _decoded_pairs(first: int, last: int, window: int | None) -> int:
    """Keys that the tokens after position `first`, up to `last`, attend to, themselves among them."""
    if window is None:
        return (last * (last + 1) - first * (first + 1)) // 2
    return sum(min(position, window) for position in range(first + 1, last + 1))


def _drawn_by_vllm(shape: DecoderShape, draw: Drawn, *, group_size: int, cache_block: int) -> float:
    """Real tokens only; a prompt's full cache blocks are computed once for its group, but never its last token.

    What tools answered is each completion's own, so only what all were given at first is shared.
    """
    drawn = sum(generation_flops(shape, prompt_tokens=p, completion_tokens=c) for p, c in draw.lengths)
    given = draw.turns[0] if draw.turns else draw.lengths
    shared = ((p - 1) // cache_block * cache_block for p, _ in given[::group_size])
    saved = sum(forward_flops(shape, tokens=tokens, head_tokens=0) for tokens in shared)
    return drawn - (group_size - 1) * saved
