"""Checkpoints to be written, altered and read, in folders and in stores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fsspec.implementations.memory import MemoryFileSystem

from workers.checkpointing.saving import SealedCheckpoint, checkpoint_name, save_checkpoint
from workers.milestones import Progress

FILES = {
    "model.safetensors": bytes(range(256)),
    "shard/state.json": b'{"moments": [1, 2]}',
    "tokenizer.json": b"{}",
}


def progress_at(step: int) -> Progress:
    return Progress(step=step, samples=64 * step, tokens=6656 * step, flops=5.4e10, seconds=7.25)


def stage(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """Files as a trainer leaves them, in a folder of their own."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def save(place: str, step: int, *, staging: Path, attempt: int = 1) -> SealedCheckpoint:
    """A whole checkpoint of that step."""
    staged = stage(staging / f"checkpoint-{step}")
    return save_checkpoint(staged, f"{place}/{checkpoint_name(step, attempt)}", progress_at(step))


class FailingStore(MemoryFileSystem):  # type: ignore[misc]
    """A store that takes so many files and then no more, or keeps only a part of each."""

    protocol = "failing"
    store: dict[str, object] = {}  # noqa: RUF012  (fsspec keeps a store on its class)
    pseudo_dirs: list[str] = [""]  # noqa: RUF012
    files_taken = 0
    drops_bytes = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("failing://", "memory://")))

    def put_file(self, lpath: str, rpath: str, **kwargs: object) -> None:
        if type(self).files_taken == 0:
            raise ConnectionError("the connection was reset")
        type(self).files_taken -= 1
        content = Path(lpath).read_bytes()
        self.pipe_file(rpath, content[: len(content) - type(self).drops_bytes])
