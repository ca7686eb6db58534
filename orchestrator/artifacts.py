"""The folder of everything that is a file: base models, checkpoints, logs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from db.errors import EnvironmentProblem


@dataclass(frozen=True)
class Artifacts:
    """Paths below one root."""

    root: Path

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def ray(self) -> Path:
        # One for each driver: the one that ends first deletes its own.
        return self.root / f"ray-{os.getpid()}"

    def trial(self, science_hash: str) -> Path:
        # The identity, not the trial's number: numbers start anew with every database.
        return self.root / "trials" / science_hash.replace(":", "-")[:19]

    def make(self) -> None:
        """Make the folder, or say that it cannot be written. Clears what killed drivers left."""
        try:
            self.models.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise EnvironmentProblem(
                f"Cannot write to {self.root} ({error.strerror}); choose another folder with --artifacts."
            ) from error
        for left in self.root.glob("ray-*"):
            if not psutil.pid_exists(int(left.name.removeprefix("ray-"))):
                shutil.rmtree(left)
