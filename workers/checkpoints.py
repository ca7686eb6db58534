"""Checkpoints that are either whole or not there.

A checkpoint is written in a folder beside its final place; then every file is hashed into `manifest.json`, all is
flushed to disk, and the folder is renamed. The rename is the completion mark: a folder with the final name and a
manifest that matches its files is a checkpoint, anything else is not. Checkpoints exist at step ends only, because
TRL resumed inside a rollout block would draw the block anew and stay out of phase for ever.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from db.errors import CheckpointError
from workers.files import flush, sha256_of
from workers.milestones import Progress

MANIFEST = "manifest.json"
PROGRESS = "progress.json"


@dataclass(frozen=True)
class SealedCheckpoint:
    """A complete checkpoint: where it is, how large, and the hash of its manifest."""

    folder: Path
    num_bytes: int
    manifest_sha256: str


def seal_checkpoint(staged: Path, final: Path, progress: Progress) -> SealedCheckpoint:
    """Turn the files in `staged` into a checkpoint at `final`; both must be on one file system."""
    (staged / PROGRESS).write_text(json.dumps(progress.as_dict()))
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    hashes = {str(path.relative_to(staged)): _flushed_sha256(path) for path in files}
    manifest = staged / MANIFEST
    manifest.write_text(json.dumps({"step": progress.step, "sha256": hashes}, indent=1))
    manifest_sha256 = _flushed_sha256(manifest)
    if final.exists():  # left by an attempt whose record of it never reached the database
        shutil.rmtree(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(final)
    flush(final.parent)
    num_bytes = sum(path.stat().st_size for path in final.rglob("*") if path.is_file())
    return SealedCheckpoint(folder=final, num_bytes=num_bytes, manifest_sha256=manifest_sha256)


def verify_checkpoint(folder: Path, manifest_sha256: str) -> Progress:
    """The progress a checkpoint continues from, once every one of its files has been found unaltered.

    Raises CheckpointError naming the file that is missing or altered.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise CheckpointError(f"Checkpoint {folder} has no {MANIFEST}: it was never completed or is partly deleted.")
    if sha256_of(manifest) != manifest_sha256:
        raise CheckpointError(f"Checkpoint {folder} is not the one that was recorded: {MANIFEST} is altered.")
    for name, sha256 in json.loads(manifest.read_text())["sha256"].items():
        if not (folder / name).is_file():
            raise CheckpointError(f"Checkpoint {folder} lacks its file {name}.")
        if sha256_of(folder / name) != sha256:
            raise CheckpointError(f"Checkpoint {folder}: {name} is altered.")
    return Progress(**json.loads((folder / PROGRESS).read_text()))


def delete_checkpoint(folder: Path) -> None:
    """Delete a checkpoint, or what is left of it; a half-deleted one lacks its manifest and is never resumed from."""
    (folder / MANIFEST).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def _flushed_sha256(path: Path) -> str:
    flush(path)
    return sha256_of(path)
