"""The list of a checkpoint's files: its completion mark, and what it is verified against.

It is written last, and the database keeps its SHA-256; so whoever alters a file has to alter the list, and whoever
alters the list is found out by the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from db.errors import CheckpointError

MANIFEST = "manifest.json"
PROGRESS = "progress.json"


@dataclass(frozen=True)
class Manifest:
    """SHA-256 and size in bytes of each file, by its path within the checkpoint."""

    step: int
    sha256: Mapping[str, str]
    num_bytes: Mapping[str, int]

    def encode(self) -> bytes:
        content = {"step": self.step, "sha256": dict(self.sha256), "bytes": dict(self.num_bytes)}
        return json.dumps(content, indent=1).encode()

    def check_names(self, where: object, found: Iterable[str]) -> None:
        """Raise CheckpointError if the files in a checkpoint, but for the manifest, are not those of the list."""
        present = set(found) - {MANIFEST}
        for name in self.sha256:
            if name not in present:
                raise CheckpointError(f"Checkpoint {where} lacks its file {name}.")
        strangers = sorted(present - set(self.sha256))
        if strangers:
            raise CheckpointError(f"Checkpoint {where} holds {strangers[0]}, which is none of its files.")

    def check_size(self, where: object, name: str, num_bytes: int) -> None:
        """Raise CheckpointError if a file is not as long as it was; manifests of version 0.1 list no sizes."""
        expected = self.num_bytes.get(name, num_bytes)
        if num_bytes != expected:
            raise CheckpointError(
                f"Checkpoint {where}: {name} is altered: {num_bytes:,} bytes in place of {expected:,}."
            )

    def check_hash(self, where: object, name: str, sha256: str) -> None:
        """Raise CheckpointError if a file's content is not what it was."""
        if sha256 != self.sha256[name]:
            raise CheckpointError(f"Checkpoint {where}: {name} is altered.")


def read_manifest(where: object, content: bytes, *, sha256: str) -> Manifest:
    """The manifest that the database knows by `sha256`. CheckpointError if this is another, or leads elsewhere."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(f"Checkpoint {where} is not the one that was recorded: {MANIFEST} is altered.")
    read = json.loads(content)
    for name in read["sha256"]:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise CheckpointError(f"Checkpoint {where}: {MANIFEST} names {name}, which is not in it.")
    return Manifest(read["step"], read["sha256"], read.get("bytes", {}))


def no_manifest(where: object) -> CheckpointError:
    """What to raise where there is none."""
    return CheckpointError(f"Checkpoint {where} has no {MANIFEST}: it was never completed or is partly deleted.")
