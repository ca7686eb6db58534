"""What ran: attempts, and the weights and problems they ran on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.states import AttemptState
from db.tables.base import Base, Identifier, one_of
from db.types import database_now


class Model(Base):
    __tablename__ = "model"
    __table_args__ = (
        UniqueConstraint("name", "weights_sha256"),
        {"comment": "Weights that trials start from, known by their content."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the model.")
    name: Mapped[str] = mapped_column(String(200), comment="Name in the sweep file.")
    source: Mapped[str | None] = mapped_column(Text, comment="Folder or hub id; NULL: made here.")
    revision: Mapped[str | None] = mapped_column(String(200), comment="Revision on the hub.")
    weights_sha256: Mapped[str] = mapped_column(String(64), comment="SHA-256 of the weights.")
    num_params: Mapped[int] = mapped_column(comment="Parameters without embeddings, counted: N.")
    total_params: Mapped[int] = mapped_column(comment="All parameters, tied ones once.")
    nominal_params: Mapped[float | None] = mapped_column(comment="Parameters by name, as in 7B; NULL: none.")
    warm_up_steps: Mapped[int | None] = mapped_column(comment="Supervised steps, when made here.")
    warm_up_score: Mapped[float | None] = mapped_column(comment="Validation score at which warm-up stopped.")
    warm_up_seconds: Mapped[float | None] = mapped_column(comment="Time the warm-up took, in seconds.")
    created_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When first recorded, UTC.")


class DataSet(Base):
    __tablename__ = "data_set"
    __table_args__ = (
        UniqueConstraint("name", "sha256"),
        {"comment": "Problems that trials train on and are scored on, known by their content."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the data set.")
    name: Mapped[str] = mapped_column(String(200), comment="Name in the sweep file.")
    revision: Mapped[str | None] = mapped_column(String(200), comment="Revision on the hub; NULL: made here.")
    sha256: Mapped[str] = mapped_column(String(64), comment="SHA-256 of the problems, in order.")
    unique_prompts: Mapped[int | None] = mapped_column(comment="Distinct training prompts; NULL: an endless stream.")


class Attempt(Base):
    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("trial_id", "number"),
        one_of("state", AttemptState),
        Index(None, "state"),
        {
            "comment": "One execution of a trial, from a checkpoint or from the start. The highest number "
            "of a trial is its living attempt; writes by any other are refused."
        },
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the attempt, database-wide.")
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id"), comment="The trial.")
    number: Mapped[int] = mapped_column(comment="1 for the trial's first attempt; also its fencing token.")
    sweep_id: Mapped[int | None] = mapped_column(ForeignKey("sweep.id"), comment="The sweep that launched it.")
    state: Mapped[str] = mapped_column(String(16), default=AttemptState.RUNNING, comment="Where it stands.")
    phase: Mapped[str | None] = mapped_column(String(40), comment="What it is doing: preparing, training, ...")
    phase_detail: Mapped[str | None] = mapped_column(String(200), comment="The same, in a few words.")
    host: Mapped[str] = mapped_column(String(255), comment="Host name.")
    pid: Mapped[int] = mapped_column(comment="Process id on that host.")
    process_started_at: Mapped[datetime] = mapped_column(comment="Start of that process (pids are reused), UTC.")
    started_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was claimed, UTC.")
    lease_expires_at: Mapped[datetime] = mapped_column(comment="Without a sign of life by then it is lost, UTC.")
    ended_at: Mapped[datetime | None] = mapped_column(comment="When it ended, UTC.")
    resumed_from_step: Mapped[int | None] = mapped_column(
        comment="Step of the checkpoint it continued; 0: from the start; NULL: not known yet."
    )
    failure_class: Mapped[str | None] = mapped_column(String(40), comment="Kind of failure; NULL: none.")
    message: Mapped[str | None] = mapped_column(Text, comment="Why it ended, in a sentence.")
    traceback: Mapped[str | None] = mapped_column(Text, comment="Traceback of a failure.")
    log_uri: Mapped[str | None] = mapped_column(Text, comment="Where its log is.")
    engine: Mapped[str | None] = mapped_column(String(40), comment="Generation engine.")
    device: Mapped[str | None] = mapped_column(String(200), comment="Device it trained on.")
    num_gpus: Mapped[float | None] = mapped_column(comment="GPUs it was given.")
    num_cpus: Mapped[int | None] = mapped_column(comment="CPU cores of the host.")
    memory_bytes: Mapped[int | None] = mapped_column(comment="Memory of the host, in bytes.")
    git_revision: Mapped[str | None] = mapped_column(String(40), comment="Revision of the code; NULL: no checkout.")
    git_dirty: Mapped[bool | None] = mapped_column(comment="Whether the checkout had uncommitted changes.")
    rlsweep_version: Mapped[str | None] = mapped_column(String(40), comment="Version of rlsweep.")
    python_version: Mapped[str | None] = mapped_column(String(40), comment="Version of Python.")
    torch_version: Mapped[str | None] = mapped_column(String(40), comment="Version of torch.")
    transformers_version: Mapped[str | None] = mapped_column(String(40), comment="Version of transformers.")
    trl_version: Mapped[str | None] = mapped_column(String(40), comment="Version of TRL.")
    vllm_version: Mapped[str | None] = mapped_column(String(40), comment="Version of vLLM; NULL: not installed.")
    ray_version: Mapped[str | None] = mapped_column(String(40), comment="Version of Ray.")
