"""Files of checkpoints that nobody needs: which they are, and deleting them.

Never of a trial that an attempt may be running, never a milestone, never what an unfinished trial would go on from.
The database says that a checkpoint is gone before it is: whoever continues the trial then does not look for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine

from db.checkpoints import CheckpointRow, TrialFiles, checkpoints_of
from db.states import FINAL_TRIAL_STATES, TrialState
from db.store.retired import retire_checkpoints
from workers.checkpointing.folders import remove
from workers.checkpointing.retention import expendable
from workers.checkpointing.saving import delete_checkpoint, is_complete, name_of

Reason = Literal["deleted", "unknown", "staging", "superseded", "old"]

REASONS: dict[Reason, str] = {
    "deleted": "the database says that it is deleted",
    "unknown": "no row of the database knows it",
    "staging": "left by an attempt that died while it wrote",
    "superseded": "a later attempt took its steps again",
    "old": "beyond what a finished trial keeps",
}


@dataclass(frozen=True)
class Garbage:
    """Something to delete, and why. `checkpoint` is its row, where there is one."""

    trial_id: int
    uri: str
    reason: Reason
    checkpoint: CheckpointRow | None = None


@dataclass(frozen=True)
class Found:
    """What lies in a trial's places: checkpoints or parts of some, and staging folders.

    `is_waited_for`: records of the trial wait for its database, or may on a machine that cannot be looked at from here.
    They may be of what no row knows.
    """

    uris: Sequence[str]
    staging: Sequence[Path]
    is_waited_for: bool


def garbage_of(trial: TrialFiles, found: Found, *, keep: int) -> Iterator[Garbage]:
    """What of a trial may be deleted; nothing of one that is held. `keep` are the newest of a finished trial.

    Files and rows are matched by the checkpoint's name in its trial: one folder may be reached by several paths.
    """
    if trial.is_held:
        return
    kept = [row for row in trial.checkpoints if row.deleted_at is None]
    yield from _without_use(trial, found, kept_names={name_of(row.uri) for row in kept})
    for folder in found.staging:
        yield Garbage(trial.trial_id, str(folder), "staging")
    ours = [row for row in kept if name_of(row.uri) is not None]
    for row in ours:
        if not row.is_live and not row.is_milestone:
            yield Garbage(trial.trial_id, row.uri, "superseded", row)
    if trial.state in FINAL_TRIAL_STATES:
        # One that failed is continued by the next submit, from its newest.
        fewest = 0 if trial.state == TrialState.SUCCEEDED else 1
        for row in expendable([row for row in ours if row.is_live], keep=max(keep, fewest)):
            yield Garbage(trial.trial_id, row.uri, "old", row)


def _without_use(trial: TrialFiles, found: Found, *, kept_names: set[str | None]) -> Iterator[Garbage]:
    """Files whose row says that they are deleted, and files without a row."""
    deleted = {name_of(row.uri): row for row in trial.checkpoints if row.deleted_at is not None}
    for uri in found.uris:
        name = name_of(uri)
        if name is None or name in kept_names:
            continue
        if name in deleted:
            yield Garbage(trial.trial_id, uri, "deleted", deleted[name])
        elif not found.is_waited_for:
            yield Garbage(trial.trial_id, uri, "unknown")


def collect(engine: Engine, trial: TrialFiles, garbage: Sequence[Garbage]) -> bool:
    """Delete what was found of a trial; False, and nothing is deleted, if an attempt has begun since."""
    ids = [each.checkpoint.id for each in garbage if each.checkpoint is not None]
    if not retire_checkpoints(engine, trial_id=trial.trial_id, attempts=trial.attempts, checkpoint_ids=ids):
        return False
    # Records that waited may have been delivered since the rows were read.
    known = {name_of(row.uri) for row in checkpoints_of(engine, [trial.trial_id]) if row.deleted_at is None}
    for each in garbage:
        if each.reason == "unknown" and name_of(each.uri) in known:
            continue
        if each.reason == "staging":
            remove(Path(each.uri))
        else:
            delete_checkpoint(each.uri)
    return True


def state_of(row: CheckpointRow) -> Literal["kept", "superseded", "deleted", "missing"]:
    """Whether the files of a checkpoint are there, as seen from this machine."""
    if row.deleted_at is not None:
        return "deleted"
    if not is_complete(row.uri):
        return "missing"
    return "kept" if row.is_live else "superseded"
