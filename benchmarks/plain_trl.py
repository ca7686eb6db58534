"""TRL's own trainer with the settings of a trial, as a script would run it: what a trial is held against."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workers.spec import TrialSpec

# From the completions' texts and the answers of their rows to rewards.
Judge = Callable[[list[str], list[str]], list[float]]


def train_plainly(
    spec: TrialSpec, base: Path, rows: Sequence[dict[str, Any]], judge: Judge, *, steps: int, output: Path
) -> list[float]:
    """When each optimizer update ended, in seconds since the training began; `rows` have `prompt` and `answer`."""
    from workers.generation.engine import import_trl

    import_trl("transformers")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from workers.training.trl_settings import trl_settings

    began, ended = 0.0, []

    def reward(completions: Any, answer: list[str], **_: Any) -> list[float]:
        return judge([turns[-1]["content"] for turns in completions], answer)

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ended.append(time.perf_counter() - began)

    settings = trl_settings(
        spec, engine="transformers", num_steps=steps, max_prompt_tokens=64, output_folder=output, on_cpu=True
    )
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype="float32"),
        reward_funcs=[reward],
        args=GRPOConfig(**settings),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=AutoTokenizer.from_pretrained(base, padding_side="left"),
        callbacks=[Clock()],
    )
    began = time.perf_counter()
    trainer.train()
    return ended
