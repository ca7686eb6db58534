"""Scores by sampling draw from the policy's own distribution, in lots that only the trial decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM

from tests.tiny_training import tiny_spec
from workers.evaluation.answer_probability import Encoded
from workers.evaluation.evaluator import Evaluator
from workers.flops import DecoderShape
from workers.spec import Evaluation
from workers.tasks.vocabulary import build_tokenizer
from workers.trial_data import open_trial_data

SAMPLED = Evaluation.model_validate(
    {"benchmark": "heldout", "at": "every_step", "method": "sampled", "samples": 4, "temperature": 0.7}
)
CONFIG = Qwen2Config(
    vocab_size=57, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=1, initializer_range=0.5,
)  # fmt: skip


def evaluator(max_completion_tokens: int = 24, shape: DecoderShape | None = None) -> Evaluator:
    spec = tiny_spec(Path("model"))
    tokenizer = build_tokenizer()
    with open_trial_data(spec, tokenizer) as data:
        return Evaluator(
            data=data,
            tokenizer=tokenizer,
            shape=shape or DecoderShape.from_config(CONFIG),
            sampling=spec.sampling.model_copy(update={"max_completion_tokens": max_completion_tokens}),
            seed=1,
        )


def drawn(generation: GenerationConfig, seed: int = 0) -> Any:
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(CONFIG).eval()
    model.generation_config = generation
    torch.manual_seed(seed)
    return evaluator()._draw(model, [Encoded((2, 3, 4), ()), Encoded((5, 6), ())], SAMPLED)


@pytest.mark.parametrize(
    "setting", [{"repetition_penalty": 1e6}, {"min_p": 0.9}, {"no_repeat_ngram_size": 1}, {"suppress_tokens": [7, 8]}]
)
def test_a_models_own_settings_do_not_change_what_is_sampled(setting: dict[str, Any]) -> None:
    assert drawn(GenerationConfig(**setting)) == drawn(GenerationConfig()) != drawn(GenerationConfig(), seed=1)


def test_a_completion_ends_where_the_models_makers_end_one_too() -> None:
    (first, *_), _ = drawn(GenerationConfig())
    end = first[2]
    (ended, *_), _ = drawn(GenerationConfig(eos_token_id=[end]))
    assert ended == first[: first.index(end) + 1]


def test_long_completions_of_large_models_are_drawn_in_smaller_lots() -> None:
    small = Qwen2ForCausalLM(CONFIG)
    assert evaluator()._problems_at_once(small, SAMPLED) == 256
    shape = DecoderShape(896, 24, 14, 2, 64, 4864, 151_936)  # Qwen2.5-0.5B: 12 kB a token in 16 bits
    at_once = evaluator(4096, shape)._problems_at_once(small.bfloat16(), SAMPLED)
    assert 35 <= at_once <= 42
    assert evaluator(2**20, shape)._problems_at_once(small, SAMPLED) == 1
