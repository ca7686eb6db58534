"""Makes a small base model from nothing: initialise, warm up on half-wrong labels, stop at a fixed score.

The result is a policy that knows the format and is right about three times in ten, which is what a study of
reinforcement learning can start from. The stopping rule looks at validation problems only. Nothing is cached here
(see `workers.models.model_store`), and nothing is downloaded.

Weights depend on the specification, the task and the seed alone: every draw comes from generators made here, the
caller's random state is left as it was, and one thread does all sums in one order.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from db.errors import RlsweepError
from workers.evaluation.answer_probability import completion_log_probs, encode_problems, encoded_probabilities
from workers.spec import MadeModel, WarmUp
from workers.tasks import Task
from workers.tasks.vocabulary import MAX_TOKENS, build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Qwen2Config

NUM_VALIDATION_PROBLEMS = 500

OnProgress = Callable[[int, float, int], None]
"""Called at each check with the step, the validation score and the step at which the making gives up."""


@dataclass(frozen=True)
class WarmUpResult:
    """Where the warm-up stopped. `seconds` include initialisation but not saving."""

    steps: int
    validation_score: float
    seconds: float


def make_base_model(
    spec: MadeModel, task: Task, *, name: str, seed: int, folder: Path, on_progress: OnProgress | None = None
) -> WarmUpResult:
    """Make the model and save it, with its tokenizer, into `folder`.

    Raises RlsweepError if the stopping score is not reached in `max_steps`; nothing is saved then.
    """
    started = time.perf_counter()
    tokenizer = build_tokenizer()
    with _one_thread():
        model = initialise(spec, tokenizer, seed=seed)
        steps, score = warm_up(model, tokenizer, spec.warm_up, task, seed=seed, on_progress=on_progress)
    if score < spec.warm_up.stop_at_validation_score:
        raise RlsweepError(
            f"base model {name!r} (seed {seed}) has a validation score of {score:.3f} after {steps} warm-up "
            f"steps and must reach {spec.warm_up.stop_at_validation_score}: raise warm_up.max_steps or "
            "warm_up.learning_rate, or lower warm_up.stop_at_validation_score"
        )
    seconds = time.perf_counter() - started
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return WarmUpResult(steps=steps, validation_score=score, seconds=seconds)


def initialise(spec: MadeModel, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> PreTrainedModel:
    """A float32 model with the specified spread of weights, zero biases and unit norms."""
    import torch
    from transformers import Qwen2ForCausalLM

    with torch.random.fork_rng(devices=[]):
        model = Qwen2ForCausalLM(_config(spec, tokenizer)).float()
    generator = torch.Generator().manual_seed(_derived_seed("initial weights", seed))
    embeddings = model.get_input_embeddings().weight
    for parameter in model.parameters():
        if parameter.dim() == 2:
            fan_in = parameter.shape[1]
            std = spec.embedding_std if parameter is embeddings else spec.initializer_gain / fan_in**0.5
            torch.nn.init.normal_(parameter, std=std, generator=generator)
    return model


def warm_up(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    spec: WarmUp,
    task: Task,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
) -> tuple[int, float]:
    """Train on completion tokens until a check passes or the steps run out: (steps done, last score)."""
    import torch

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=spec.learning_rate, betas=(0.9, spec.adam_beta2), weight_decay=0.0, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1, (s + 1) / (spec.warmup_steps + 1)))
    validation = encode_problems(tokenizer, task.validation_problems(NUM_VALIDATION_PROBLEMS))
    batches = task.warm_up_batches(spec.batch_size, label_accuracy=spec.label_accuracy, seed=seed)
    known_prompts: dict[str, tuple[int, ...]] = {}
    score = 0.0
    model.train()
    for step in range(1, spec.max_steps + 1):
        batch = encode_problems(tokenizer, next(batches), known_prompts)
        log_probs, is_answer = completion_log_probs(model, batch)
        (-log_probs[is_answer].mean()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), spec.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % spec.check_every_steps == 0 or step == spec.max_steps:
            probabilities = encoded_probabilities(model, validation, batch_size=spec.batch_size)
            score = sum(probabilities) / len(probabilities)
            if on_progress is not None:
                on_progress(step, score, spec.max_steps)
            if score >= spec.stop_at_validation_score:
                break
    model.eval()
    return step, score


def _config(spec: MadeModel, tokenizer: PreTrainedTokenizerBase) -> Qwen2Config:
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size,
        num_hidden_layers=spec.num_hidden_layers,
        num_attention_heads=spec.num_attention_heads,
        num_key_value_heads=spec.num_key_value_heads,
        max_position_embeddings=MAX_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="float32",
    )


def _derived_seed(purpose: str, seed: int) -> int:
    """A seed that torch accepts, whatever the sign and size of `seed`."""
    return int.from_bytes(hashlib.sha256(f"{purpose}/{seed}".encode()).digest()[:7], "big")


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
