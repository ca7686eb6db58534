"""What the processes of a trial are told before they take part, as JSON: followers from a file, nodes from a line."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from db.reader import LiveCheckpoint
from workers.milestones import Progress
from workers.spec import TrialSpec


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FollowerPlan(_Told):
    """All that a follower needs; the paths are those of its own machine."""

    spec: TrialSpec
    engine: str
    base_folder: Path
    checkpoint: Path | None
    progress: Progress
    staging: Path


class Rendezvous(_Told):
    """Where the processes of a trial find each other: at the leader's."""

    address: str
    port: int


class NodePlan(_Told):
    """All that another node of the trial needs.

    Weights are prepared there and must have this hash; the checkpoint, None where the trial starts from the base, is
    read from its folder or fetched.
    """

    spec: TrialSpec
    engine: str
    progress: Progress
    weights_sha256: str
    checkpoint: LiveCheckpoint | None
    models_folder: Path
    trial_folder: Path
    attempt: int


class Order(_Told):
    """What the other nodes of a trial are sent: all of them the same."""

    plan: NodePlan
    rendezvous: Rendezvous
