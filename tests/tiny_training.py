"""Trainings of a few blocks on random models of a few thousand weights, in the test's own process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    TrainerCallback,
)

from workers.generation.engine import import_trl
from workers.spec import TrialSpec
from workers.tasks.vocabulary import build_tokenizer
from workers.trial_data import open_trial_data

FAMILIES: dict[str, type] = {
    "qwen2": Qwen2Config, "qwen3": Qwen3Config, "llama": LlamaConfig, "mistral": MistralConfig,
}  # fmt: skip
TINY = {
    "vocab_size": 57, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.3, "max_position_embeddings": 128,
}  # fmt: skip


def save_tiny_model(folder: Path, family: str = "qwen2", **changes: Any) -> Path:
    """A random model of the family, with the tokenizer of the made tasks."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    config = FAMILIES[family](**TINY | {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": None} | changes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A token for each byte, so that it reads any text, with a chat template."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|pad|>", "<|end|>"]
    model = models.BPE(vocab={token: place for place, token in enumerate([*special, *letters])}, merges=[])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=special[0], eos_token=special[1])
    fast.chat_template = "{% for turn in messages %}{{ turn.content }}<|end|>{% endfor %}"
    return fast


def save_text_model(folder: Path, **changes: Any) -> Path:
    """A random model that reads any text, byte by byte."""
    torch.manual_seed(0)
    tokenizer = byte_tokenizer()
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 8192, "eos_token_id": tokenizer.eos_token_id}
    config = Qwen2Config(**TINY | sizes | {"bos_token_id": None} | changes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_spec(folder: Path, **changes: Any) -> TrialSpec:
    """A trial on that model: 4 prompts x 4 completions a step. `changes` are sections, whole or a field of each."""
    sections: dict[str, Any] = {
        "model": {"name": "tiny", "source": str(folder), "dtype": "float32"},
        "data": {"task": "affine-lookup", "heldout_problems": 20},
        "algorithm": {"group_size": 4, "prompts_per_step": 4},
        "optimizer": {"learning_rate": 0.01},
        "sampling": {"max_completion_tokens": 6},
        "seed": 1,
        "budget": {"unit": "steps", "at": [8]},
        "evaluations": [{"benchmark": "heldout"}],
        "execution": {"engine": "transformers"},
    }
    for name, value in changes.items():
        sections[name] = sections.get(name, {}) | value if isinstance(value, dict) else value
    return TrialSpec.model_validate(sections)


@dataclass
class Recorder(TrainerCallback):
    """What TRL logged of each optimizer update."""

    logs: list[dict[str, float]] = field(default_factory=list)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if logs and "train_runtime" not in logs:
            self.logs.append(dict(logs))


@dataclass
class Training:
    """A trainer and what it was built with, before or after it has trained."""

    trainer: Any
    recorder: Recorder
    stream: Any
    observer: Any

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.trainer.model.state_dict().items()}


def tiny_training(spec: TrialSpec, folder: Path, output: Path, *, blocks: int, **changes: Any) -> Training:
    """A trainer for `blocks` blocks; `changes` are arguments of `build_trainer` in place of the task's."""
    import_trl("transformers")
    from workers.training.block_observer import BlockObserver
    from workers.training.build import build_trainer
    from workers.training.policies import load_policy, load_tokenizer
    from workers.training.prompt_stream import PromptStream
    from workers.training.reward_function import reward_function
    from workers.training.trl_settings import trl_settings

    torch.manual_seed(0)
    model, tokenizer = load_policy(spec, folder), load_tokenizer(spec, folder)
    observer = BlockObserver()
    with open_trial_data(spec, tokenizer) as data:
        rows, judge = data.rows, data.judge  # of a made task, they outlive the block
    arguments: dict[str, Any] = {
        "load_model": lambda: model,
        "tokenizer": tokenizer,
        "stream": PromptStream(rows),
        "reward": reward_function(judge, mode="fixed", observer=observer),
        "settings": trl_settings(
            spec, engine="transformers", num_steps=blocks, max_prompt_tokens=32, output_folder=output, on_cpu=True
        ),
        "callback": Recorder(),
        "observer": observer,
    } | changes
    trainer = build_trainer(spec, **arguments)
    return Training(trainer, arguments["callback"], arguments["stream"], arguments["observer"])
