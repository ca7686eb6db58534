"""FLOPs of models with experts, with sliding windows and with adapters, against counting them one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.flops import (
    DecoderShape,
    Lora,
    attention_flops,
    block_flops,
    forward_flops,
    train_flops,
)

SHAPE = DecoderShape(64, 3, 4, 2, 16, 96, 59)
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 59,
}
TOKENS = 24


def full_attention(shape: DecoderShape) -> float:
    """What torch's counter sees more than a causal model needs, in one forward pass."""
    return 4 * shape.attention_width * TOKENS**2 - attention_flops(shape, tokens=TOKENS)


def counted(model: Any, *, backward: bool) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=torch.zeros(1, TOKENS, dtype=torch.long)).logits
        if backward:
            logits.sum().backward()
    return int(counter.get_total_flops())


@settings(deadline=None)
@given(tokens=st.integers(1, 200), window=st.integers(1, 200))
def test_with_a_window_each_token_attends_to_at_most_that_many(tokens: int, window: int) -> None:
    pairs = sum(min(position, window) for position in range(1, tokens + 1))
    windowed = replace(SHAPE, sliding_window=window)
    assert attention_flops(windowed, tokens=tokens) == 4 * SHAPE.attention_width * pairs


def test_forward_flops_of_a_model_with_experts_agree_with_torchs_counter() -> None:
    from transformers import AutoModelForCausalLM, Qwen3MoeConfig

    config = Qwen3MoeConfig(
        **SIZES, num_experts=6, num_experts_per_tok=2, moe_intermediate_size=40, head_dim=16, tie_word_embeddings=True
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", experts_implementation="eager")
    shape = DecoderShape.from_config(config)
    expected = forward_flops(shape, tokens=TOKENS, head_tokens=TOKENS) + full_attention(shape)
    assert counted(model, backward=False) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("targets", ["attention", "all_linear"])
def test_training_adapters_costs_what_torchs_counter_says(targets: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    class Adapted(torch.nn.Module):
        def __init__(self, frozen: torch.nn.Linear, rank: int) -> None:
            super().__init__()
            self.frozen = frozen
            self.down = torch.nn.Linear(frozen.in_features, rank, bias=False)
            self.up = torch.nn.Linear(rank, frozen.out_features, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.frozen(x) + self.up(self.down(x))
            return result

    config = Qwen2Config(**SIZES, tie_word_embeddings=True)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").requires_grad_(False)
    lora = Lora(rank=8, targets=targets)  # type: ignore[arg-type]
    for layer in model.model.layers:
        for part in (layer.self_attn, layer.mlp) if targets == "all_linear" else (layer.self_attn,):
            for name, child in list(part.named_children()):
                if isinstance(child, torch.nn.Linear):
                    setattr(part, name, Adapted(child, lora.rank))
    shape = DecoderShape.from_config(config)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == lora.weights(shape)
    forward = forward_flops(shape, tokens=TOKENS, head_tokens=TOKENS, lora=lora) + full_attention(shape)
    assert counted(model, backward=False) == pytest.approx(forward, rel=1e-3)
    train = train_flops(shape, tokens=TOKENS, head_tokens=TOKENS, lora=lora) + 3 * full_attention(shape)
    assert counted(model, backward=True) == pytest.approx(train, rel=1e-3)


def test_with_adapters_only_drawing_and_the_reference_cost_the_same() -> None:
    full = block_flops(SHAPE, [(20, 40)], has_old_logprobs=True, has_reference=True)
    adapted = block_flops(SHAPE, [(20, 40)], has_old_logprobs=True, has_reference=True, lora=Lora(rank=4))
    assert (adapted.generation, adapted.reference) == (full.generation, full.reference)
    assert adapted.old_logprob > full.old_logprob
    assert adapted.train < full.train


def test_adapters_on_experts_are_refused() -> None:
    with pytest.raises(ValueError, match="adapters on experts are not counted"):
        Lora(rank=4).weights(replace(SHAPE, num_experts=8))
