"""The prompts of a trial in their order, and which of them each process takes.

TRL is not asked for data: what comes next follows from how many prompts the trial has seen, so a resumed trial goes
on where it was, whatever TRL's own sampler thinks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PromptRow = dict[str, Any]


@dataclass
class PromptStream:
    """Rows from `position` on: `prompt`, a list of messages, and what the reward needs. `rows` gives a stretch."""

    rows: Callable[[int, int], list[PromptRow]]
    position: int = 0

    def take(self, count: int) -> list[PromptRow]:
        """The next `count`, fewer where the data end."""
        taken = self.rows(self.position, self.position + count)
        self.position += len(taken)
        return taken


@dataclass(frozen=True)
class Share:
    """One process's part of what all processes do: the `process`-th of `processes` equal shares."""

    process: int = 0
    processes: int = 1

    def of(self, rows: Sequence[Any]) -> list[Any]:
        each = len(rows) // self.processes
        return list(rows[self.process * each : (self.process + 1) * each])
