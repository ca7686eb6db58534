"""A tiny model that was taught to call one tool and then to answer: a random one would never call any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from workers.spec import Data
from workers.tasks import load_task

SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
Tool = Callable[..., Any]
OBSERVATION = " (1 digit)"


class Lesson(NamedTuple):
    """The tools that a prompt offers, the call, what the tool answers, and what an environment adds to the prompt."""

    tools: Sequence[Tool]
    call: Mapping[str, Any]
    result: str
    observation: str = ""


class Counter:
    """An environment of a user's."""

    def reset(self, **row: Any) -> str:
        self.total = 0
        return OBSERVATION * len(row["answer"])

    def add(self, amount: int) -> str:
        """
        Add to the counter.

        Args:
            amount: How much.
        """
        self.total += amount
        return str(self.total)

    def get_reward(self) -> float:
        return float(self.total)


def chat_template(name: str) -> str:
    """The text of a template that TRL knows."""
    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text()


def tool_tokenizer(texts: Sequence[str] = (), template: str = "qwen2_5") -> PreTrainedTokenizerFast:
    """Reads any text, byte by byte, and what `texts` say in fewer tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Qwen2Tokenizer(  # what AutoTokenizer makes of any file beside a model of Qwen2's family
        vocab={token: place for place, token in enumerate([*SPECIAL, *letters])},
        merges=[],
        unk_token=None,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        extra_special_tokens=[SPECIAL[1]],
        chat_template=chat_template(template),
    )
    return tokenizer.train_new_from_iterator([*texts] * 4, vocab_size=2000) if texts else tokenizer


def save_tool_caller(folder: Path, lessons: Sequence[Lesson], *, steps: int = 220) -> Path:
    r"""A model that answers a prompt of the made task with a call, and its result with a random `\boxed{digit}`."""
    prompts = [problem.prompt for problem in load_task(Data(task="affine-lookup")).training_problems(64)]
    random = Random(0)
    plain = tool_tokenizer()
    tokenizer = tool_tokenizer([plain.decode([*chain(*turns(plain, lesson, prompts[0], "7"))]) for lesson in lessons])
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=4096, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for step in range(steps):
        lesson = lessons[step % len(lessons)]
        rows = [turns(tokenizer, lesson, random.choice(prompts), random.choice("0123456789")) for _ in range(4)]
        batch = tokenizer.pad(
            {"input_ids": [[*chain(*row)] for row in rows]}, return_tensors="pt", padding_side="right"
        )
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        for label, (prompt, call, result, _) in zip(labels, rows, strict=True):
            said = len(prompt) + len(call)
            label[: len(prompt)] = label[said : said + len(result)] = -100
        loss = model(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def turns(
    tokenizer: PreTrainedTokenizerFast, lesson: Lesson, prompt: str, digit: str
) -> tuple[list[int], list[int], list[int], list[int]]:
    """Token ids of the prompt, the call, what the tool answers up to the policy's next turn, and the answer."""
    tools, call, result, observation = lesson

    def written(*chat: dict[str, Any]) -> list[int]:
        return tokenizer.apply_chat_template(
            chat, tools=list(tools), add_generation_prompt=chat[-1]["role"] != "assistant", return_dict=False
        )

    asked = {"role": "user", "content": prompt + observation}
    called = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": dict(call)}]}
    answered = {"role": "tool", "name": call["name"], "content": result}
    through_call, through_result = written(asked, called)[:-1], written(asked, called, answered)  # without a newline
    spoken = [*tokenizer.encode(f"\\boxed{{{digit}}}"), tokenizer.eos_token_id]
    through_prompt = written(asked)
    return (
        through_prompt,
        through_call[len(through_prompt) :],
        through_result[len(through_call) :],
        spoken,
    )
