"""Where a sweep's files go, from what --artifacts says: a folder, or the URL of an object store.

With a URL, only checkpoints go to the store. Models, logs, and what waits for the database to come back are read and
written bit by bit: they stay in the default folder of this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

from orchestrator.artifacts import Artifacts
from workers.checkpointing.saving import is_url


@dataclass(frozen=True)
class ArtifactPlaces:
    """A folder of this machine, and the root of all checkpoints if that is elsewhere."""

    folder: Artifacts
    store: str | None

    def checkpoints(self, science_hash: str) -> str:
        """Where a trial's checkpoints are: a path, or a URL."""
        return self.checkpoint_url(science_hash) or str(self.folder.trial(science_hash) / "checkpoints")

    def checkpoint_url(self, science_hash: str) -> str | None:
        """Where they are in the store, if there is one."""
        return None if self.store is None else f"{self.store}/trials/{self.folder.trial(science_hash).name}/checkpoints"


def artifact_places(given: str | None, database: URL) -> ArtifactPlaces:
    """What --artifacts means for a database. EnvironmentProblem if a store cannot be used from here."""
    if given is None or not is_url(given):
        return ArtifactPlaces(Artifacts((Path(given) if given else _default(database)).absolute()), store=None)
    from workers.checkpointing.objects import check_url

    check_url(given)
    return ArtifactPlaces(Artifacts(_default(database).absolute()), store=given.rstrip("/"))


def _default(database: URL) -> Path:
    """Beside an SQLite file; in the working folder for a server's database, which has no place of its own."""
    folder = Path(database.database or "").parent if database.get_backend_name() == "sqlite" else Path.cwd()
    return folder / "rlsweep_artifacts"
