"""The words for where a trial and an attempt stand. One word each, used in the tables, the code and the terminal."""

from __future__ import annotations

from enum import StrEnum


class TrialState(StrEnum):
    """A trial outlives its attempts. `succeeded` means: its last budget was reached; `stopped`: a health gate ended it,
    which is a result as well, with a name.
    """

    PLANNED = "planned"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    RECOVERING = "recovering"
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Origin(StrEnum):
    """Where a trial's rows come from: it ran here, or another program recorded it in one of these formats."""

    NATIVE = "native"
    CSV = "csv"
    VERL = "verl"
    WANDB = "wandb"
    TENSORBOARD = "tensorboard"


class AttemptState(StrEnum):
    """`lost` is not `failed`: nobody heard from the attempt again, so its cause is unknown."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    LOST = "lost"


class Hold(StrEnum):
    """What a person has asked of a trial. It stays until they take it back, whoever submits the sweep again."""

    PAUSE = "pause"
    CANCEL = "cancel"


class Directive(StrEnum):
    """What the trial is asked to do at the end of its step: the answer to every write of a step."""

    CONTINUE = "continue"
    DRAIN = "drain"


FINAL_TRIAL_STATES = (TrialState.SUCCEEDED, TrialState.STOPPED, TrialState.FAILED, TrialState.CANCELLED)
