"""An engine's weights under adapters are computed beside the policy, whose base stays as it was, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM
from trl.generation.vllm_generation import VLLMGeneration

from workers.generation.adapter_weights import merged_weights, send_merged_copies


def policy(dtype: torch.dtype) -> PeftModel:
    """A policy whose adapters have been trained a little."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1,
    )  # fmt: skip
    model: Any = get_peft_model(
        Qwen2ForCausalLM(config).to(dtype),
        LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM"),
    )
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    return model  # type: ignore[no-any-return]


def generation(model: Any) -> Any:
    found = VLLMGeneration.__new__(VLLMGeneration)
    found.model = model
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_they_are_what_merging_gives_and_the_base_is_not_touched(dtype: torch.dtype) -> None:
    model = policy(dtype)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    sent = {name: weight.clone() for name, weight in merged_weights(generation(model))}
    again = dict(merged_weights(generation(model)))
    for name, weight in model.named_parameters():
        assert weight.equal(before[name]), name
    merged = dict(model.merge_and_unload().named_parameters())
    assert sent.keys() == merged.keys()
    for name, weight in merged.items():
        assert sent[name].dtype == dtype
        assert sent[name].equal(weight), name
        assert again[name].equal(weight), name


def test_the_engine_takes_its_weights_from_there_with_adapters_alone() -> None:
    with_adapters, whole = generation(policy(torch.float32)), generation(torch.nn.Linear(1, 1))
    send_merged_copies(with_adapters)
    send_merged_copies(whole)
    assert "_iter_named_params" in vars(with_adapters)
    assert "_iter_named_params" not in vars(whole)
    assert next(iter(with_adapters._iter_named_params()))[0] == "model.embed_tokens.weight"
