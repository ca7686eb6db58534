"""What the processes of a trial tell each other at the end of a block.

TRL and accelerate keep weights and gradients together; this is for the rest: what each process measured, and what the
leader decided. Every process calls the same functions in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from workers.spec import Evaluation
from workers.training.block_observer import BlockObserver

T = TypeVar("T")


@dataclass(frozen=True)
class Decision:
    """What all processes do after a block: these evaluations, in this order."""

    evaluations: tuple[Evaluation, ...]
    step: int


@dataclass(frozen=True)
class Ending:
    """Whether a checkpoint is written now, and whether the training ends."""

    saves: bool
    stops: bool


def whole_block(block: BlockObserver) -> BlockObserver:
    """What all processes saw of a block: tokens, passes and verdicts of all, the seconds of this one."""
    everyone: list[BlockObserver] = _gathered(block)
    if len(everyone) == 1:
        return block
    merged = BlockObserver(seconds=block.seconds)
    for each in everyone:
        merged.lengths += each.lengths
        merged.trained_lengths += each.trained_lengths
        merged.draws += each.draws
        merged.passes += each.passes
        merged.verdicts += each.verdicts
        merged.tool_calls += each.tool_calls
        merged.failed_tool_calls += each.failed_tool_calls
    return merged


def from_leader(what: T | None) -> T:
    """The leader's value, in every process; the others give None."""
    from accelerate.utils import broadcast_object_list

    values: list[Any] = [what]
    broadcast_object_list(values, from_process=0)
    found: T = values[0]
    return found


def _gathered(what: T) -> list[T]:
    from accelerate.utils import gather_object

    return list(gather_object([what]))
