"""Published prompts as a trial's data, their answers judged in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from db.records import DataSetRecord
from workers.evaluation.answer_probability import Encoded
from workers.milestones import last_step
from workers.prompts import Prompt
from workers.prompts.heldout import heldout_set
from workers.prompts.training_set import TrainingSet, training_set
from workers.rewards import Answer, Mode, Verdict
from workers.rewards.pool import RewardPool
from workers.rewards.sources import check_sources
from workers.spec import Data, TrialSpec
from workers.trial_data import Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class PublishedData:
    """The prompts of `data` that are trained on and those that are held out; `pool` judges the answers."""

    data: Data
    training_set: TrainingSet
    heldout_prompts: Sequence[Prompt]
    tokenizer: PreTrainedTokenizerBase
    pool: RewardPool

    @property
    def training(self) -> DataSetRecord:
        return self.training_set.record(self.data)

    @cached_property
    def heldout(self) -> Sequence[Question]:
        return [Question(each.chat, each.truth, each.data_source, each.row_sha256) for each in self.heldout_prompts]

    @cached_property
    def longest_prompt(self) -> int:
        lengths = [len(row.prompt) for row in self.encode_heldout()]
        lengths += (prompt_tokens(self.tokenizer, each.chat) for each in self.training_set.curriculum.prompts)
        return max(lengths)

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        prompts = self.training_set.curriculum.prompts
        taken = (prompts[place % len(prompts)] for place in range(start, stop))
        return [{"prompt": each.chat, "answer": each.truth, "data_source": each.data_source} for each in taken]

    def encode_heldout(self) -> list[Encoded]:
        chats = [each.chat for each in self.heldout_prompts]
        if not chats:
            return []
        token_ids = self.tokenizer.apply_chat_template(chats, add_generation_prompt=True, return_dict=False)
        return [Encoded(tuple(ids), ()) for ids in token_ids]

    def judge(self, answers: Sequence[Answer], *, mode: Mode) -> list[Verdict]:
        return self.pool.judge(answers, mode=mode)


@contextmanager
def open_published_data(spec: TrialSpec, tokenizer: PreTrainedTokenizerBase) -> Iterator[PublishedData]:
    data, steps = spec.data, last_step(spec.budget, spec.algorithm)
    made = training_set(
        data,
        last_prompts=None if steps is None else steps * spec.algorithm.prompts_per_step,
        count_tokens=lambda chat: prompt_tokens(tokenizer, chat),
    )
    needs_heldout = any(each.benchmark == "heldout" for each in spec.evaluations)
    heldout = heldout_set(data) if needs_heldout else ()
    check_sources({each.data_source for each in [*made.curriculum.prompts, *heldout]})
    with RewardPool(processes=spec.execution.cpus) as pool:
        yield PublishedData(data, made, heldout, tokenizer, pool)


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]]) -> int:
    """Tokens of a chat after the template, with the turn that the policy begins."""
    return len(tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False))
