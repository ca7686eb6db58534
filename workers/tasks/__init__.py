"""The problems a policy is trained and scored on, each task in one module.

A task answers four questions: what the prompts are, in which order they come, which problems are held out, and
whether a completion is right. It tokenizes nothing, trains nothing and needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from workers.spec import Data


@dataclass(frozen=True)
class Problem:
    """One user turn and the answer that earns the reward, without its box."""

    prompt: str
    answer: str


def boxed(answer: str) -> str:
    r"""The completion that states `answer` and nothing else: `\boxed{answer}`."""
    return f"\\boxed{{{answer}}}"


class Task(Protocol):
    """What the trainer and the evaluator ask of a task. Every method is a pure function of the task's data."""

    @property
    def is_answer_unique(self) -> bool:
        """Whether an answer has one spelling, so that its probability by teacher forcing is pass@1."""

    @property
    def sha256(self) -> str:
        """Changes whenever a rule, the split or the order of the prompts does."""

    def training_problems(self, count: int) -> list[Problem]:
        """The first `count` problems of one fixed stream, repeats included."""

    def heldout_problems(self, count: int) -> list[Problem]:
        """`count` distinct problems that no training or warm-up problem equals."""

    def validation_problems(self, count: int) -> list[Problem]:
        """`count` distinct problems, in neither the training stream nor the held-out set."""

    def warm_up_batches(self, size: int, *, label_accuracy: float, seed: int) -> Iterator[list[Problem]]:
        """An endless stream of training problems whose answers are right only that often, else random."""

    def reference_completion(self, problem: Problem) -> str:
        """The completion that teacher forcing scores, without the end-of-sequence token."""

    def reward(self, completion: str, answer: str) -> float:
        """1.0 for a right completion, else 0.0."""


def load_task(data: Data) -> Task:
    """The task that `data` names, drawn with its seed."""
    from workers.tasks.affine_lookup import AffineLookup

    assert data.task is not None, "prompts from a file are no task; `workers.unsupported` refuses them"
    return {"affine-lookup": AffineLookup}[data.task](data.seed)
