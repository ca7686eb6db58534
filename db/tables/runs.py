"""What ran: attempts, the weights and problems they ran on, and the files that imported ones were read from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.states import AttemptState, Origin
from db.tables.base import Base, Identifier, one_of
from db.types import database_now
from db.upkeep.revisions import HEAD_REVISION


class Model(Base):
    __tablename__ = "model"
    __table_args__ = (
        UniqueConstraint("name", "weights_sha256"),
        CheckConstraint("num_params > 0 AND total_params > 0 AND nominal_params > 0", name="sizes_positive"),
        {"comment": "Weights that trials start from, known by their content; those of imported runs by name and size."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the model.")
    name: Mapped[str] = mapped_column(String(200), comment="Name in the sweep file.")
    family: Mapped[str | None] = mapped_column(String(80), comment="Family, as in Qwen2.5; NULL: not known.")
    variant: Mapped[str | None] = mapped_column(String(80), comment="base, instruct, ...; NULL: not known.")
    source: Mapped[str | None] = mapped_column(Text, comment="Folder or hub id; NULL: made here, or imported.")
    revision: Mapped[str | None] = mapped_column(String(200), comment="Revision on the hub.")
    weights_sha256: Mapped[str | None] = mapped_column(String(64), comment="SHA-256 of the weights; NULL: imported.")
    num_params: Mapped[int | None] = mapped_column(comment="Parameters without embeddings: N; NULL: not known.")
    total_params: Mapped[int | None] = mapped_column(comment="All parameters, tied ones once; NULL: not known.")
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
    num_problems: Mapped[int | None] = mapped_column(comment="Problems in it; NULL: an endless stream.")
    unique_prompts: Mapped[int | None] = mapped_column(comment="Distinct training prompts; NULL: an endless stream.")
    rows_read: Mapped[int | None] = mapped_column(comment="Rows of the files it was taken from; NULL: no files.")
    near_duplicates_dropped: Mapped[int | None] = mapped_column(
        comment="Rows left out for being nearly a held-out problem."
    )
    too_long_dropped: Mapped[int | None] = mapped_column(comment="Rows left out for their length in tokens.")


class Problem(Base):
    __tablename__ = "problem"
    __table_args__ = (
        UniqueConstraint("data_set_id", "position"),
        {"comment": "One problem of a data set, for scores per problem."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the problem.")
    data_set_id: Mapped[int] = mapped_column(ForeignKey("data_set.id"), comment="The data set.")
    position: Mapped[int] = mapped_column(comment="Place in the data set, from 0.")
    sha256: Mapped[str] = mapped_column(String(64), comment="SHA-256 of prompt and answer: the same in every data set.")
    data_source: Mapped[str | None] = mapped_column(String(80), comment="Where the problem is from, as in math__gsm8k.")


class ImportFile(Base):
    __tablename__ = "import_file"
    __table_args__ = (
        UniqueConstraint("sha256", "format"),
        one_of("format", Origin),
        {"comment": "A file of another program that runs were read from."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the file.")
    path: Mapped[str] = mapped_column(Text, comment="Where it was.")
    format: Mapped[str] = mapped_column(String(16), comment="csv, verl, wandb or tensorboard.")
    sha256: Mapped[str] = mapped_column(String(64), comment="SHA-256 of its content.")
    num_bytes: Mapped[int] = mapped_column(comment="Its size, in bytes.")
    mapping: Mapped[dict[str, Any]] = mapped_column(JSON, comment="What the user said of its columns.")
    rlsweep_version: Mapped[str] = mapped_column(String(40), comment="Version of the code that read it.")
    imported_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was first read, UTC.")


class Attempt(Base):
    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("trial_id", "number"),
        one_of("state", AttemptState),
        CheckConstraint(
            "import_file_id IS NOT NULL OR (host IS NOT NULL AND pid IS NOT NULL "
            "AND process_started_at IS NOT NULL AND lease_expires_at IS NOT NULL)",
            name="native_is_complete",
        ),
        CheckConstraint("resumed_from_step >= 0 AND live_through_step >= -1", name="steps_known"),
        # What keeps code from before an upgrade from claiming a trial after it: every revision says this anew.
        CheckConstraint(f"state <> 'running' OR schema_revision = '{HEAD_REVISION}'", name="runs_on_these_tables"),
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
    schema_revision: Mapped[str] = mapped_column(
        String(16), default=HEAD_REVISION, comment="Revision of the tables that its code was written for, as in 0002."
    )
    state: Mapped[str] = mapped_column(
        String(16), default=AttemptState.RUNNING, comment="running, succeeded, stopped, interrupted, failed or lost."
    )
    phase: Mapped[str | None] = mapped_column(String(40), comment="What it is doing: preparing, training, ...")
    phase_detail: Mapped[str | None] = mapped_column(String(200), comment="The same, in a few words.")
    import_file_id: Mapped[int | None] = mapped_column(
        ForeignKey("import_file.id"), comment="The file it was read from; NULL: it ran here."
    )
    host: Mapped[str | None] = mapped_column(String(255), comment="Host name; NULL: imported.")
    pid: Mapped[int | None] = mapped_column(comment="Process id on that host; NULL: imported.")
    process_started_at: Mapped[datetime | None] = mapped_column(
        comment="Start of that process (pids are reused), UTC; NULL: imported."
    )
    node_id: Mapped[str | None] = mapped_column(
        String(80), comment="Ray's number for the node it ran on; NULL: not started by Ray."
    )
    started_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was claimed, UTC.")
    lease_expires_at: Mapped[datetime | None] = mapped_column(
        comment="Without a sign of life by then it is lost, UTC; NULL: imported."
    )
    ended_at: Mapped[datetime | None] = mapped_column(comment="When it ended, UTC.")
    resumed_from_step: Mapped[int | None] = mapped_column(
        comment="Step of the checkpoint it continued; 0: from the start; NULL: not known yet."
    )
    live_through_step: Mapped[int | None] = mapped_column(
        comment="Its steps after this one were taken again by a later attempt and count no more; NULL: all count; "
        "-1: none does."
    )
    failure_class: Mapped[str | None] = mapped_column(
        String(40), comment="Kind of failure, as in gpu_memory, numerical, code; NULL: none."
    )
    outcome: Mapped[str | None] = mapped_column(
        String(40), comment="What a health gate found, as in entropy_collapse; NULL: none ended it."
    )
    message: Mapped[str | None] = mapped_column(Text, comment="Why it ended, in a sentence.")
    traceback: Mapped[str | None] = mapped_column(Text, comment="Traceback of a failure.")
    log_uri: Mapped[str | None] = mapped_column(Text, comment="Where its log is.")
    execution: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), comment="How it was to be run, where that is not the default; NULL: not known."
    )
    execution_hash: Mapped[str | None] = mapped_column(
        String(80), comment="Hash of all those settings, defaults included; NULL: not known."
    )
    engine: Mapped[str | None] = mapped_column(String(40), comment="Generation engine.")
    device: Mapped[str | None] = mapped_column(String(200), comment="Device it trained on.")
    num_gpus: Mapped[float | None] = mapped_column(comment="GPUs it was given.")
    gpu_peak_flops: Mapped[float | None] = mapped_column(
        comment="Published dense bfloat16 FLOP/s of one of them; NULL: no GPU, or one that is not known."
    )
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
