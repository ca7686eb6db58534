"""What is measured beside TRL while it takes a rollout block: tokens, seconds, and what was really computed.

TRL 1.16 reports neither seconds by phase nor anything that FLOPs follow from (`state.total_flos` is 0).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from workers.rewards import Tally

Pass = Literal["old_logprob", "reference", "train"]
Lengths = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PaddedPass:
    """A forward pass over `rows` sequences padded to `tokens`, with the head on the last `head_tokens` of each."""

    kind: Pass
    rows: int
    tokens: int
    head_tokens: int


@dataclass(frozen=True)
class Drawn:
    """Completions that were drawn together, as (prompt, completion) tokens of each.

    What tools answer is read, not drawn, so it counts as prompt. `turns` has what the engine was given and drew at each
    turn of the completions that went on: the first is of all, a later one of those that had called a tool. The last of
    its tokens may not be among the completion's, which is cut at its limit.
    """

    lengths: Lengths
    turns: tuple[Lengths, ...] = ()


@dataclass
class BlockObserver:
    """What happened since the last `take`.

    `lengths` holds (prompt, completion) tokens of every completion that was drawn, `trained_lengths` of those that are
    trained on: fewer where groups without variance are drawn anew. `tool_calls` were made by the completions that were
    drawn; of these `failed_tool_calls` had no result.
    """

    lengths: list[tuple[int, int]] = field(default_factory=list)
    trained_lengths: list[tuple[int, int]] = field(default_factory=list)
    draws: list[Drawn] = field(default_factory=list)
    passes: list[PaddedPass] = field(default_factory=list)
    verdicts: list[Tally] = field(default_factory=list)
    tool_calls: int = 0
    failed_tool_calls: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: {"generation": 0.0, "logprob": 0.0, "reward": 0.0})

    @contextmanager
    def timing(self, phase: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] += time.perf_counter() - started

    def saw_draw(self, lengths: Sequence[tuple[int, int]], turns: Sequence[Lengths] = ()) -> None:
        self.lengths += lengths
        self.draws.append(Drawn(tuple(lengths), tuple(turns)))

    def saw_tool_calls(self, calls: int, *, failed: int) -> None:
        self.tool_calls += calls
        self.failed_tool_calls += failed

    def has(self, kind: Pass) -> bool:
        """Whether there was a pass of this kind."""
        return any(each.kind == kind for each in self.passes)

    def take(self) -> BlockObserver:
        """The observations so far; afterwards there are none."""
        taken = BlockObserver(**vars(self))
        vars(self).update(vars(BlockObserver()))
        return taken
