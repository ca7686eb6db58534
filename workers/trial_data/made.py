"""A task made here, as a trial's data. Its reward is a comparison of two short texts, and needs no process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from db.records import DataSetRecord
from workers.evaluation.answer_probability import Encoded, encode_problems
from workers.rewards import Answer, Mode, Verdict
from workers.spec import TrialSpec
from workers.tasks import Problem, Task, load_task
from workers.trial_data import Question

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LOOKED_AT = 1000  # prompts of the stream, to find the longest


@dataclass(frozen=True)
class MadeData:
    """The stream and the held-out problems of `task`, which is called `name`."""

    name: str
    task: Task
    heldout_problems: Sequence[Problem]
    tokenizer: PreTrainedTokenizerBase

    @property
    def training(self) -> DataSetRecord:
        return DataSetRecord(name=self.name, revision=None, sha256=self.task.sha256, num_problems=None)

    @cached_property
    def heldout(self) -> Sequence[Question]:
        return [
            Question(_chat(each), each.answer, self.name, sha256(f"{each.prompt}\0{each.answer}".encode()).hexdigest())
            for each in self.heldout_problems
        ]

    @cached_property
    def longest_prompt(self) -> int:
        problems = [*self.task.training_problems(_LOOKED_AT), *self.heldout_problems]
        return max(len(row.prompt) for row in encode_problems(self.tokenizer, problems))

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        problems = self.task.training_problems(stop)[start:]
        return [{"prompt": _chat(each), "answer": each.answer, "data_source": self.name} for each in problems]

    def encode_heldout(self) -> list[Encoded]:
        return encode_problems(self.tokenizer, self.heldout_problems)

    def judge(self, answers: Sequence[Answer], *, mode: Mode) -> list[Verdict]:
        return [Verdict(self.task.reward(each.text, str(each.truth)), "scored") for each in answers]


@contextmanager
def open_made_data(spec: TrialSpec, tokenizer: PreTrainedTokenizerBase) -> Iterator[MadeData]:
    task = load_task(spec.data)
    yield MadeData(spec.data.name, task, task.heldout_problems(spec.data.heldout_problems), tokenizer)


def _chat(problem: Problem) -> list[dict[str, str]]:
    return [{"role": "user", "content": problem.prompt}]
