"""FLOP formulas against published and independently computed values."""

from __future__ import annotations

import pytest

from workers.flops import DecoderShape, block_flops, forward_flops, generation_flops

# hidden, layers, heads, key-value heads, head size, feed-forward, vocabulary: the config.json files of Qwen2.5.
QWEN25 = {
    "0.5B": DecoderShape(896, 24, 14, 2, 64, 4864, 151936),
    "7B": DecoderShape(3584, 28, 28, 4, 128, 18944, 152064),
    "72B": DecoderShape(8192, 80, 64, 8, 128, 29568, 152064),
}


@pytest.mark.parametrize(("size", "billions"), [("0.5B", 0.3578), ("7B", 6.5253), ("72B", 70.2126)])
def test_matrix_weights_of_qwen25_are_those_of_its_configuration(size: str, billions: float) -> None:
    assert QWEN25[size].matrix_weights / 1e9 == pytest.approx(billions, abs=5e-5)


@pytest.mark.parametrize(("size", "petaflops"), [("0.5B", 17.8), ("7B", 259.3), ("72B", 2643)])
def test_a_block_of_the_paper_costs_twice_what_the_paper_counts(size: str, petaflops: float) -> None:
    block = block_flops(QWEN25[size], [(150, 600)] * 4096, has_old_logprobs=True, has_reference=True)
    assert block.total / 1e15 == pytest.approx(petaflops, rel=0.003)


def test_generating_costs_what_one_forward_pass_over_the_same_tokens_costs() -> None:
    shape = DecoderShape(64, 2, 4, 2, 16, 192, 57)
    token_by_token = forward_flops(shape, tokens=9, head_tokens=1)
    for position in range(10, 13):  # three more tokens, each attending to all before it and to itself
        token_by_token += 2 * shape.matrix_weights + 2 * shape.head_weights + 4 * shape.attention_width * position
    assert generation_flops(shape, prompt_tokens=9, completion_tokens=4) == pytest.approx(token_by_token)


def test_forward_flops_agree_with_torchs_counter() -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModelForCausalLM, Qwen2Config

    config = Qwen2Config(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=192,
        vocab_size=57, tie_word_embeddings=True,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    tokens = 24
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.zeros(1, tokens, dtype=torch.long))
    shape = DecoderShape.from_config(config)
    # The counter sees full, not causal, attention: s^2 pairs where the algorithm needs s (s + 1) / 2.
    causal = forward_flops(shape, tokens=tokens, head_tokens=tokens)
    full = causal + 4 * shape.attention_width * tokens**2 - 2 * shape.attention_width * tokens * (tokens + 1)
    # Not exact: the counter also sees the outer product that makes the rotary angles.
    assert counter.get_total_flops() == pytest.approx(full, rel=1e-4)


def test_phases_that_did_not_happen_cost_nothing() -> None:
    block = block_flops(QWEN25["0.5B"], [(100, 50)], has_old_logprobs=False, has_reference=False)
    assert (block.old_logprob, block.reference) == (0.0, 0.0)
    assert block.total == block.generation + block.train
