"""What a trial is trained and scored on, the same to the trainer whether it is made here or published.

`made` gives a task of `workers.tasks`, `published` the prompts of `workers.prompts` with the scorers of
`workers.rewards`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from db.records import DataSetRecord
from workers.rewards import Answer, Mode, Verdict
from workers.spec import TrialSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from workers.evaluation.answer_probability import Encoded


@dataclass(frozen=True)
class Question:
    """A held-out problem: what the policy is asked, and what its answer is held against."""

    chat: list[dict[str, str]]
    truth: str
    data_source: str
    sha256: str


class TrialData(Protocol):
    """What the trainer and the evaluator ask of a trial's data."""

    @property
    def training(self) -> DataSetRecord:
        """The prompts that are trained on, as the database knows them."""

    @property
    def heldout(self) -> Sequence[Question]:
        """The problems that `benchmark: heldout` is scored on."""

    @property
    def longest_prompt(self) -> int:
        """Tokens of the longest prompt that is trained on or scored, after the chat template."""

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Training prompts `start` to `stop` in their order: `prompt`, a chat, with `answer` and `data_source`."""

    def encode_heldout(self) -> list[Encoded]:
        """The held-out problems in tokens, with a reference completion where answers have one spelling."""

    def judge(self, answers: Sequence[Answer], *, mode: Mode) -> list[Verdict]:
        """What each answer is worth, in order."""


def open_trial_data(spec: TrialSpec, tokenizer: PreTrainedTokenizerBase) -> AbstractContextManager[TrialData]:
    """The data of a trial, with the processes that judge its answers while the block runs.

    Raises SpecError for data that cannot be used or are not what was submitted.
    """
    if spec.data.task is not None:
        from workers.trial_data.made import open_made_data

        return open_made_data(spec, tokenizer)
    from workers.trial_data.published import open_published_data

    return open_published_data(spec, tokenizer)
