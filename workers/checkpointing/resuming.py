"""Where an earlier attempt left off: the newest checkpoint that is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from db.errors import CheckpointError
from db.reader import LiveCheckpoint
from workers.checkpointing.saving import fetch_checkpoint
from workers.milestones import Progress


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint that an attempt may delete when newer ones exist."""

    step: int
    uri: str
    is_milestone: bool


@dataclass(frozen=True)
class Resumption:
    """What an attempt goes on from: its progress, a folder for the trainer, and all checkpoints up to there.

    `record` is the checkpoint's. Without one, and a folder, it starts from the base.
    """

    progress: Progress
    folder: Path | None
    saved: tuple[SavedCheckpoint, ...]
    record: LiveCheckpoint | None = None


def newest_whole(recorded: Sequence[LiveCheckpoint], *, fetched: Path, say: Callable[[str], None]) -> Resumption:
    """The newest of these, newest first, that verifies; `say` is told of each that is passed over, and why.

    `fetched` is where one that lies in a store is copied to. A store that does not answer is no reason to fall back:
    EnvironmentProblem.
    """
    for record in recorded:
        try:
            progress, folder = fetch_checkpoint(record.uri, record.manifest_sha256, into=fetched)
        except CheckpointError as error:
            say(f"Not resuming from step {record.step}: {error}")
            continue
        usable = [each for each in recorded if each.step <= record.step]
        saved = tuple(SavedCheckpoint(r.step, r.uri, r.is_milestone) for r in usable)
        return Resumption(progress, folder, saved, record)
    return Resumption(Progress(), None, ())
