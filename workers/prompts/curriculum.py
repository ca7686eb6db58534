"""Prompts from easy to hard, and what is drawn from them: a fixed order, gone through as often as asked.

The order is by the reference model's pass rate, descending; ties keep the order of the file, so a file that is
ordered already, or has no pass rates, is left exactly as it is. Nothing is shuffled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice

from db.errors import SpecError
from workers.prompts import Prompt
from workers.prompts.rows import read_prompts
from workers.prompts.source import PromptSource, find_files


@dataclass(frozen=True)
class Curriculum:
    """Prompts in the order in which they are trained on."""

    prompts: tuple[Prompt, ...]

    def __len__(self) -> int:
        return len(self.prompts)

    def first(self, count: int) -> Curriculum:
        """The first `count` prompts. Raises SpecError where there are not that many."""
        if not 0 < count <= len(self):
            raise SpecError(
                f"total_prompts is {count}, and the training file has {len(self)} rows; ask for 1 to {len(self)}"
            )
        return Curriculum(self.prompts[:count])

    def draws(self, count: int) -> Iterator[Prompt]:
        """`count` prompts: all of them in order, then again in the same order."""
        return islice(cycle(self.prompts), count)

    def times_drawn(self, draws: int) -> Iterator[int]:
        """How often each row, in order, comes among the first `draws`."""
        passes, more = divmod(draws, len(self))
        return (passes + (place < more) for place in range(len(self)))

    def realised_tau(self, draws: int) -> float:
        """How often each distinct prompt comes among the first `draws` (at least 1), on average."""
        return draws / Curriculum(self.prompts[:draws]).unique_prompts

    @cached_property
    def unique_prompts(self) -> int:
        """Prompts whose messages no other has, to the letter."""
        return len({prompt.messages for prompt in self.prompts})

    @property
    def easy_prompts(self) -> int:
        return sum(prompt.is_easy for prompt in self.prompts)

    @cached_property
    def sha256(self) -> str:
        """Hash of every prompt's messages and answer, in order."""
        digest = hashlib.sha256()
        for prompt in self.prompts:
            digest.update(bytes.fromhex(prompt.row_sha256))
        return digest.hexdigest()


def load_curriculum(source: PromptSource) -> Curriculum:
    """The training rows of `source`, from easy to hard.

    Raises SpecError for files or rows that cannot be used, EnvironmentProblem for a hub that cannot be reached.
    """
    return Curriculum(in_curriculum_order(read_prompts(find_files(source), split="train")))


def load_heldout(source: PromptSource) -> tuple[Prompt, ...]:
    """The held-out rows of `source`, in the order of the file. Raises as `load_curriculum` does."""
    return read_prompts(find_files(source, split="test"), split="test")


def in_curriculum_order(prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """By pass rate, descending, one that is missing counting as 0; ties keep their order."""
    return tuple(sorted(prompts, key=lambda prompt: -(prompt.pass_rate or 0.0)))
