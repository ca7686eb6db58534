"""What a trial does with its checkpoints, whether they lie in folders or in an object store.

A place is a folder's path, or a URL that fsspec knows. Checkpoints are written at the end of a step only: TRL resumed
inside a rollout block would draw the block anew and stay out of phase for ever.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from workers.checkpointing import folders, objects
from workers.checkpointing.contents import check_contents, drop_unread
from workers.checkpointing.manifest import Manifest, read_manifest
from workers.milestones import Progress


@dataclass(frozen=True)
class SealedCheckpoint:
    """A complete checkpoint: where it is, how large, and the hash of its manifest."""

    uri: str
    num_bytes: int
    manifest_sha256: str


_NAME = re.compile(r"step-\d+-attempt-\d+")


def checkpoint_name(step: int, attempt: int) -> str:
    """What a checkpoint is called in its trial's place: no two of a trial have one name."""
    return f"step-{step:06d}-attempt-{attempt}"


def name_of(uri: str) -> str | None:
    """The name that `checkpoint_name` gave, or None: what is called otherwise is not ours to delete."""
    name = uri.rpartition("/")[2]
    return name if _NAME.fullmatch(name) else None


def is_url(place: str) -> bool:
    return "://" in place


def save_checkpoint(staged: Path, uri: str, progress: Progress) -> SealedCheckpoint:
    """Turn the files in `staged` into a checkpoint at `uri`; `staged` is gone afterwards, also if that fails.

    Raises OSError if the disk is full, EnvironmentProblem if a store does not take it, CheckpointError if the files
    hold what is never loaded. Earlier checkpoints are untouched in any case.
    """
    try:
        drop_unread(staged)
        check_contents(staged)
        content = folders.write_manifest(staged, progress)
        sha256 = hashlib.sha256(content).hexdigest()
        manifest = read_manifest(staged, content, sha256=sha256)
        if is_url(uri):
            objects.upload(staged, uri)
        else:
            folders.put_in_place(staged, Path(uri))
    finally:
        folders.remove(staged)
    return SealedCheckpoint(uri, _size(manifest, content), sha256)


def fetch_checkpoint(uri: str, manifest_sha256: str, *, into: Path) -> tuple[Progress, Path]:
    """The verified progress of a checkpoint, and a folder that a trainer can go on from.

    That is the checkpoint itself, or a copy of one in a store, made in `into`. Raises CheckpointError if it is
    altered, incomplete, or holds what is never loaded; then `into` is gone.
    """
    if not is_url(uri):
        progress = folders.verify(Path(uri), manifest_sha256)
        check_contents(Path(uri))
        return progress, Path(uri)
    folders.remove(into)
    try:
        objects.download(uri, into, manifest_sha256=manifest_sha256)
        progress = folders.verify(into, manifest_sha256)
        check_contents(into)
    except BaseException:
        folders.remove(into)
        raise
    return progress, into


def verify_checkpoint(uri: str, manifest_sha256: str) -> Progress:
    """Hash every file of a checkpoint, wherever it is. CheckpointError naming the file that is not as it was."""
    if is_url(uri):
        return objects.verify(uri, manifest_sha256)
    return folders.verify(Path(uri), manifest_sha256)


def is_complete(uri: str) -> bool:
    """Whether a checkpoint is there that was once whole."""
    return objects.is_complete(uri) if is_url(uri) else folders.is_complete(Path(uri))


def delete_checkpoint(uri: str) -> None:
    """Delete a checkpoint, or what is left of it; nothing happens if it is gone."""
    if is_url(uri):
        objects.delete(uri)
    else:
        folders.delete(Path(uri))


def checkpoints_in(place: str) -> list[str]:
    """All that lies in a trial's place for checkpoints, whole or not."""
    return objects.checkpoints_in(place) if is_url(place) else [str(path) for path in folders.folders_in(Path(place))]


def _size(manifest: Manifest, content: bytes) -> int:
    return sum(manifest.num_bytes.values()) + len(content)
