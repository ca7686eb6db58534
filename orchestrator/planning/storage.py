"""How much disk a trial's checkpoints take, by what the trainer writes and when it deletes.

A checkpoint holds float32 weights (tied embeddings once), both of Adam's moments in float32 for everything that is
trained, and small files: tokenizer, scheduler, random states, the log so far, the manifest. With LoRA weights and
moments are the adapters' alone. Written when a milestone is reached, every so many steps, and at the end; kept are
the newest few and every milestone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from orchestrator.planning.architectures import Architecture
from orchestrator.planning.memory import lora_params
from workers.flops import Lora

_WEIGHTS, _MOMENTS = 4, 8
_TOKENIZER_ENTRY = 100  # bytes of tokenizer.json for each token of the vocabulary
_SMALL_FILES = 50_000


@dataclass(frozen=True)
class CheckpointStorage:
    """Bytes of one checkpoint, how many stay when the trial is done, and how many exist at the worst moment."""

    bytes_each: float
    kept: int
    peak: int

    @property
    def kept_bytes(self) -> float:
        return self.bytes_each * self.kept

    @property
    def peak_bytes(self) -> float:
        return self.bytes_each * self.peak


def checkpoint_bytes(architecture: Architecture, *, lora: Lora | None = None) -> float:
    """Bytes of one checkpoint."""
    trained = architecture.total_params if lora is None else lora_params(architecture, lora)
    return float((_WEIGHTS + _MOMENTS) * trained + _TOKENIZER_ENTRY * architecture.shape.vocab_size + _SMALL_FILES)


def checkpoint_storage(
    architecture: Architecture,
    milestones: Sequence[int],
    *,
    every_steps: int,
    keep_newest: int,
    lora: Lora | None = None,
) -> CheckpointStorage:
    """For a trial whose milestones are reached at the steps `milestones`, ascending, the last being its end."""
    kept, peak = _kept_and_peak(tuple(milestones), every_steps, keep_newest)
    return CheckpointStorage(checkpoint_bytes(architecture, lora=lora), kept=kept, peak=peak)


@lru_cache(maxsize=4096)
def _kept_and_peak(milestones: tuple[int, ...], every_steps: int, keep_newest: int) -> tuple[int, int]:
    """Checkpoints at the end, and at the worst moment: a new one is whole before an old one is deleted."""
    existing: list[int] = []
    peak = 0
    for step in _telling_steps(milestones, every_steps, keep_newest):
        existing.append(step)
        peak = max(peak, len(existing))
        existing = [kept for kept in existing if kept in existing[-keep_newest:] or kept in milestones]
    return len(existing), peak


def _telling_steps(milestones: tuple[int, ...], every_steps: int, keep_newest: int) -> list[int]:
    """The steps of milestones and of the last few checkpoints before each: earlier ones come and go alike."""
    steps = set(milestones)
    for before, milestone in pairwise((0, *milestones)):
        number = min(milestone // every_steps - before // every_steps, keep_newest + 2)
        last = milestone // every_steps
        steps.update(every_steps * count for count in range(last - number + 1, last + 1))
    return sorted(steps)
