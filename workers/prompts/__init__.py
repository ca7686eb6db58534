"""The prompts of a study: rows of a curriculum, read, ordered, sliced for a data-reuse factor and compared.

`training_set` goes the whole way from a specification to what a trial is trained on, `heldout` to what it is scored
on. On the way `source` finds the files, `rows` and `ground_truth` read them, `curriculum` orders them, `duplicates`
finds held-out problems among them, `lengths` leaves out the long ones, `slices` draws from them. `inspection` says
what is in a file. Nothing here trains or scores, and nothing needs torch; pyarrow, numpy, the hub and tokenizers are
imported by the functions that use them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

EASY_FROM = 0.3  # pass rate of the reference model from which arXiv 2509.25300 calls a problem easy


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt, as it stands in the file, before any chat template."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row: what the policy is asked and the answer that earns the reward.

    `pass_rate` is the reference model's, in [0, 1], None where it was not measured. `index` is the row's place in
    the file that it was drawn from: a slice that was written with its index keeps the places of its pool. `prefix` is
    the Python that stands before a completion's program when it is judged.
    """

    messages: tuple[Message, ...]
    answer: str
    data_source: str
    pass_rate: float | None
    index: int
    prefix: str = ""

    @property
    def is_easy(self) -> bool:
        """Whether the reference model solves it often; a problem without a pass rate is hard."""
        return self.pass_rate is not None and self.pass_rate >= EASY_FROM

    @property
    def chat(self) -> list[dict[str, str]]:
        """The messages as chat templates take them."""
        return [{"role": each.role, "content": each.content} for each in self.messages]

    @property
    def truth(self) -> str:
        """What an answer is held against: the answer, with a program's prefix among its tests."""
        if not self.prefix or not self.data_source.startswith("codegen"):
            return self.answer
        return json.dumps(json.loads(self.answer) | {"prefix": self.prefix})

    @property
    def text(self) -> str:
        """What all messages say, without their roles."""
        return "\n".join(each.content for each in self.messages)

    @property
    def row_sha256(self) -> str:
        """Hash of messages, answer and prefix, so it knows a problem whatever file it comes from."""
        row: list[object] = [[[each.role, each.content] for each in self.messages], self.answer]
        if self.prefix:
            row.append(self.prefix)
        return hashlib.sha256(json.dumps(row).encode()).hexdigest()
