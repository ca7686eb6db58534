"""Checkpoints in folders: written aside, flushed, renamed.

The rename is atomic, so a folder with the final name is whole, unless it was altered or is half deleted, which its
manifest tells. Both places are on one file system.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from db.errors import CheckpointError
from workers.checkpointing.manifest import MANIFEST, PROGRESS, Manifest, no_manifest, read_manifest
from workers.files import flush, sha256_of
from workers.milestones import Progress


def write_manifest(staged: Path, progress: Progress) -> bytes:
    """Complete the files in `staged` with what was consumed so far and with their list, which is returned."""
    (staged / PROGRESS).write_text(json.dumps(progress.as_dict()))
    names = [name for name in files_in(staged) if name != MANIFEST]
    hashes = {name: sha256_of(staged / name) for name in names}
    sizes = {name: (staged / name).stat().st_size for name in names}
    content = Manifest(progress.step, hashes, sizes).encode()
    (staged / MANIFEST).write_bytes(content)
    return content


def put_in_place(staged: Path, final: Path) -> None:
    """Flush a completed folder to disk and give it its final name; on disk when this returns."""
    for path in staged.rglob("*"):
        flush(path)
    flush(staged)
    delete(final)  # left by an attempt whose record of it never reached the database
    final.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(final)
    flush(final.parent)
    flush(final.parent.parent)


def verify(folder: Path, manifest_sha256: str) -> Progress:
    """The progress that a checkpoint continues from, once every one of its files has been found unaltered.

    Raises CheckpointError naming the file that is missing, altered or a stranger.
    """
    manifest = manifest_of(folder, manifest_sha256)
    # A wrong size is found at once, a wrong byte only by reading everything.
    for name in manifest.sha256:
        manifest.check_size(folder, name, (folder / name).stat().st_size)
    for name in manifest.sha256:
        manifest.check_hash(folder, name, sha256_of(folder / name))
    return read_progress(folder, (folder / PROGRESS).read_bytes())


def manifest_of(folder: Path, manifest_sha256: str) -> Manifest:
    """The list of a checkpoint's files, all of which are there; what is in them is not looked at.

    Raises CheckpointError where one is missing or a stranger.
    """
    if not (folder / MANIFEST).is_file():
        raise no_manifest(folder)
    manifest = read_manifest(folder, (folder / MANIFEST).read_bytes(), sha256=manifest_sha256)
    manifest.check_names(folder, files_in(folder))
    return manifest


def read_progress(where: object, content: bytes) -> Progress:
    """What a checkpoint of this or an earlier version had consumed. CheckpointError if this version cannot tell."""
    try:
        return Progress(**json.loads(content))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"Checkpoint {where}: {PROGRESS} is of another version of rlsweep: {error}.") from error


def is_complete(folder: Path) -> bool:
    """Whether there is a checkpoint that was once whole; whether it still is, `verify` knows."""
    return (folder / MANIFEST).is_file()


def delete(folder: Path) -> None:
    """Delete a checkpoint, or what is left of it; a half-deleted one lacks its manifest and is never resumed from."""
    (folder / MANIFEST).unlink(missing_ok=True)
    remove(folder)


def remove(folder: Path) -> None:
    """Delete a folder, if it is there; somebody else may be deleting it too."""
    while folder.exists():
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)


def files_in(folder: Path) -> Sequence[str]:
    """All files below a folder, by their paths in it, in order; links too, wherever they lead."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def folders_in(place: Path) -> list[Path]:
    """What lies in a trial's folder of checkpoints: checkpoints, and what is left of some."""
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
