"""GRPO through TRL: the one place that imports it.

`ObservedGRPOTrainer` changes nothing that TRL computes; it measures what TRL does not report: the seconds of each
phase and the real token counts that FLOPs follow from (`state.total_flos` is always 0 for GRPO in TRL 1.16).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from workers.spec import TrialSpec
from workers.tasks import Problem, Task


@dataclass
class BlockObserver:
    """What happened since the last `take`: one rollout block's token counts and seconds by phase."""

    lengths: list[tuple[int, int]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"generation": 0.0, "logprob": 0.0, "reward": 0.0})
    has_old_logprobs: bool = False
    has_reference: bool = False

    @contextmanager
    def timing(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - started

    def take(self) -> BlockObserver:
        """The observations so far; afterwards there are none."""
        taken = BlockObserver(self.lengths, self.seconds, self.has_old_logprobs, self.has_reference)
        fresh = BlockObserver()
        self.lengths, self.seconds = fresh.lengths, fresh.seconds
        self.has_old_logprobs = self.has_reference = False
        return taken


class ObservedGRPOTrainer(GRPOTrainer):
    """TRL's trainer with a `BlockObserver` at its phases."""

    def __init__(self, *args: Any, observer: BlockObserver, **kwargs: Any) -> None:
        self.observer = observer
        super().__init__(*args, **kwargs)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A checkpoint holds what a run needs; TRL's model card would look for a hub and a git checkout."""

    def _generate(self, prompts: list[Any]) -> Any:
        with self.observer.timing("generation"):
            output = super()._generate(prompts)
        prompt_ids, completion_ids = output[0], output[1]
        self.observer.lengths += [(len(p), len(c)) for p, c in zip(prompt_ids, completion_ids, strict=True)]
        return output

    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():  # the training forward pass
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)
        if model is self.ref_model:
            self.observer.has_reference = True
        else:
            self.observer.has_old_logprobs = True
        with self.observer.timing("logprob"):
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.observer.timing("reward"):
            return super()._calculate_rewards(*args, **kwargs)


def load_policy(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Weights (float32: pure 16-bit weights would lose updates of lr 1e-6) and tokenizer, from safetensors only."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    ).to("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, padding_side="left")
    return model, tokenizer


def build_trainer(
    spec: TrialSpec,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    problems: Sequence[Problem],
    settings: dict[str, Any],
    callback: TrainerCallback,
    observer: BlockObserver,
) -> ObservedGRPOTrainer:
    """A trainer over `problems` in their order, rewarded by the task's verifier."""
    rows = [{"prompt": [{"role": "user", "content": p.prompt}], "answer": p.answer} for p in problems]
    trainer = ObservedGRPOTrainer(
        model=model,
        reward_funcs=[verifier(task)],
        args=GRPOConfig(**settings),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[callback],
        observer=observer,
    )
    trainer.remove_callback(PrinterCallback)  # our callback records what it would print
    return trainer


def verifier(task: Task) -> Callable[..., list[float]]:
    """The task's reward as the function TRL calls with every completion of a block."""

    def reward(*, completions: list[list[dict[str, str]]], answer: list[str], **_: Any) -> list[float]:
        texts = [completion[-1]["content"] for completion in completions]
        return [task.reward(text, gold) for text, gold in zip(texts, answer, strict=True)]

    return reward
