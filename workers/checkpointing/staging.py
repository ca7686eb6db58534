"""Where a checkpoint is written before it is whole, and what happens when the disk is full meanwhile."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.checkpointing.folders import remove

_PATTERN = "staging-attempt-*"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_PROBE_BYTES = 2**20


@contextmanager
def staging_folder(trial_folder: Path, attempt: int, *, node: int = 0) -> Iterator[Path]:
    """A folder of this attempt, gone afterwards however that ends; what dead attempts left there is cleared.

    Each `node` of a trial has one: their trial folders may be the same, or each on a disk of its own.

    A full disk ends the block with an OSError that says so: the libraries that write the files have other words.
    """
    mine = f"staging-attempt-{attempt}"
    for left in staging_folders(trial_folder):
        if left.name != mine and not left.name.startswith(f"{mine}-"):
            remove(left)
    folder = trial_folder / (f"{mine}-node-{node}" if node else mine)
    folder.mkdir(parents=True)
    try:
        with naming_a_full_disk(folder):
            yield folder
    finally:
        remove(folder)


def staging_folders(trial_folder: Path) -> list[Path]:
    """Those of all attempts that are there."""
    return sorted(trial_folder.glob(_PATTERN))


@contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Raise OSError (ENOSPC) in place of what the libraries raise when `folder` has no room left."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        if is_for_want_of_room(error, folder):
            raise OSError(errno.ENOSPC, "No room for a checkpoint; the one before is kept", str(folder)) from error
        raise


def is_for_want_of_room(error: BaseException, folder: Path) -> bool:
    """Whether an error came from a full disk, or from a quota that is used up."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    text = f"{error} {error.__context__}"
    if any(f"os error {number}" in text for number in _NO_ROOM):  # safetensors
        return True
    # torch's own writer names no reason. It leaves its half file, so the disk is as full as it was.
    is_torch_writer = "inline_container" in text or "PytorchStreamWriter" in text
    return isinstance(error, RuntimeError) and is_torch_writer and not _has_room(folder)


def _has_room(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(os.urandom(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno in _NO_ROOM:
            return False
        raise
    return True
