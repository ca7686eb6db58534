import math
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Qwen2Config, Qwen2ForCausalLM

from workers.evaluation.answer_probability import answer_probabilities
from workers.models.base_model import initialise, warm_up
from workers.spec import MadeModel, WarmUp
from workers.tasks import Problem, boxed
from workers.tasks.affine_lookup import AffineLookup
from workers.tasks.vocabulary import build_tokenizer

UNEQUAL = [
    Problem("dv(854)", "2"),
    Problem("a", "a longer answer"),
    Problem("what is 12 + 30, please?", "42"),
    Problem("x", "7"),
    Problem("a rather long question with a short answer", "0"),
]


def one_by_one(model: Any, tokenizer: Any, problem: Problem) -> float:
    turn = [{"role": "user", "content": problem.prompt}]
    prompt = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
    answer = [*tokenizer.encode(boxed(problem.answer), add_special_tokens=False), tokenizer.eos_token_id]
    probability = 1.0
    for position, token in enumerate(answer):
        logits = model(torch.tensor([prompt + answer[:position]])).logits[0, -1]
        probability *= float(torch.softmax(logits.double(), dim=-1)[token])
    return probability


def small_qwen2(dropout: float = 0.0) -> Any:
    config = Qwen2Config(
        vocab_size=57,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.5,
        attention_dropout=dropout,
    )
    return Qwen2ForCausalLM(config).eval()


def small_gpt2() -> Any:
    config = GPT2Config(vocab_size=57, n_embd=16, n_layer=2, n_head=2, n_positions=128, initializer_range=0.3)
    return GPT2LMHeadModel(config).eval()


@pytest.mark.parametrize("make_model", [small_qwen2, small_gpt2])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batches_agree_with_one_token_at_a_time(make_model: Any, batch_size: int) -> None:
    torch.manual_seed(0)
    model, tokenizer = make_model(), build_tokenizer()
    with torch.no_grad():
        expected = [one_by_one(model, tokenizer, problem) for problem in UNEQUAL]
    probabilities = answer_probabilities(model, tokenizer, UNEQUAL, batch_size=batch_size)
    assert probabilities == pytest.approx(expected, rel=1e-3, abs=0)


def test_the_side_on_which_generation_pads_makes_no_difference() -> None:
    model, tokenizer = small_qwen2(), build_tokenizer()
    left = answer_probabilities(model, tokenizer, UNEQUAL, batch_size=5)
    tokenizer.padding_side = "right"
    assert answer_probabilities(model, tokenizer, UNEQUAL, batch_size=5) == left


def test_dropout_is_off_while_scoring_and_training_goes_on_as_before() -> None:
    model, tokenizer = small_qwen2(dropout=0.5), build_tokenizer()
    expected = answer_probabilities(model, tokenizer, UNEQUAL, batch_size=5)
    model.train()
    assert answer_probabilities(model, tokenizer, UNEQUAL, batch_size=5) == expected
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_probability_is_the_frequency_with_which_the_answer_is_sampled() -> None:
    task, tokenizer = AffineLookup(0), build_tokenizer()
    spec = MadeModel(
        hidden_size=16,
        intermediate_size=32,
        num_attention_heads=2,
        num_key_value_heads=1,
        warm_up=WarmUp(learning_rate=1e-2, batch_size=64, stop_at_validation_score=0.15),
    )
    model = initialise(spec, tokenizer, seed=0)
    warm_up(model, tokenizer, spec.warm_up, task, seed=0)
    problems = task.heldout_problems(8)
    probabilities = answer_probabilities(model, tokenizer, problems, batch_size=8)
    assert 0.1 < sum(probabilities) / len(probabilities) < 0.5

    samples = 1000
    turns = [[{"role": "user", "content": problem.prompt}] for problem in problems]
    prompts = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    torch.manual_seed(0)
    drawn = model.generate(
        **prompts, do_sample=True, top_k=0, temperature=1.0, num_return_sequences=samples, max_new_tokens=4
    )
    completions = tokenizer.batch_decode(drawn[:, prompts["input_ids"].shape[1] :])
    for index, (problem, probability) in enumerate(zip(problems, probabilities, strict=True)):
        own = completions[index * samples : (index + 1) * samples]
        frequency = sum(text == boxed(problem.answer) + "<|end|>" for text in own) / samples
        noise = math.sqrt(probability * (1 - probability) / samples)
        assert abs(frequency - probability) < 4 * noise
