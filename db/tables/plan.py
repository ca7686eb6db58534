"""What was asked for: sweeps, trials and which sweep asked for which trial."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.states import Hold, Origin, TrialState
from db.tables.base import Base, Identifier, one_of
from db.types import database_now


class Sweep(Base):
    __tablename__ = "sweep"
    __table_args__ = (
        UniqueConstraint("name"),
        {"comment": "One sweep file as last submitted, or one set of imported runs. A sweep is known by its name."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the sweep.")
    name: Mapped[str] = mapped_column(
        String(200), comment="Its name: `name` in the sweep file, or `--sweep` of an import."
    )
    question: Mapped[str | None] = mapped_column(Text, comment="The question the sweep is to answer.")
    source: Mapped[str | None] = mapped_column(Text, comment="The sweep file's text, as submitted; NULL: imported.")
    source_sha256: Mapped[str | None] = mapped_column(String(64), comment="SHA-256 of `source`.")
    overrides: Mapped[list[str]] = mapped_column(JSON, comment="`--set` arguments of the last submission.")
    caveats: Mapped[list[str]] = mapped_column(JSON, comment="Sentences shown beside every fit of this sweep.")
    fit_settings: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), comment="`fit` in the sweep file; NULL: none."
    )
    created_at: Mapped[datetime] = mapped_column(default=database_now(), comment="First submission, UTC.")
    submitted_at: Mapped[datetime] = mapped_column(default=database_now(), comment="Last submission, UTC.")
    drain_requested_at: Mapped[datetime | None] = mapped_column(
        comment="When the sweep's trials were asked to stop at the end of their step; NULL: not asked. UTC."
    )
    driver_host: Mapped[str | None] = mapped_column(
        String(255), comment="Machine of the process that launches its trials; NULL: none does."
    )
    driver_pid: Mapped[int | None] = mapped_column(comment="Number of that process.")
    driver_process_started_at: Mapped[datetime | None] = mapped_column(comment="When that process started, UTC.")
    driver_lease_expires_at: Mapped[datetime | None] = mapped_column(
        comment="Until when that process is taken to be alive, UTC."
    )
    driver_cluster: Mapped[str | None] = mapped_column(
        String(200), comment="Ray cluster that the last driver launched on; NULL: a Ray of its own."
    )
    driver_job: Mapped[str | None] = mapped_column(
        String(200), comment="The Ray job that the last driver was, when it was sent to a cluster; NULL: none."
    )


class Trial(Base):
    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint("science_hash"),
        one_of("state", TrialState),
        one_of("origin", Origin),
        one_of("hold", Hold),
        # What another program recorded may lack anything; what ran here is known.
        CheckConstraint(
            "origin <> 'native' OR (data IS NOT NULL AND algorithm IS NOT NULL AND seed IS NOT NULL "
            "AND group_size IS NOT NULL AND prompts_per_step IS NOT NULL AND updates_per_step IS NOT NULL "
            "AND learning_rate IS NOT NULL AND kl_coefficient IS NOT NULL)",
            name="native_is_complete",
        ),
        CheckConstraint("group_size > 0 AND prompts_per_step > 0 AND updates_per_step > 0", name="counts_positive"),
        CheckConstraint("tau > 0", name="tau_positive"),
        CheckConstraint("attempts >= 0 AND reached_step >= 0", name="progress_not_negative"),
        CheckConstraint("retried_after >= 0", name="retried_after_not_negative"),
        Index(None, "state"),
        {
            "comment": "One trajectory: a grid point that is run once, whichever sweeps ask for it. The columns from "
            "`attempts` to `last_score` repeat what the views say of its live lineage, so that thousands of trials "
            "are listed at once; the store keeps them in the same transaction."
        },
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the trial.")
    science_hash: Mapped[str] = mapped_column(String(80), comment="Identity: hash of what changes the numbers.")
    origin: Mapped[str] = mapped_column(
        String(16), default=Origin.NATIVE, server_default=Origin.NATIVE, comment="native, or the format it came in."
    )
    state: Mapped[str] = mapped_column(
        String(16),
        default=TrialState.PLANNED,
        comment="planned, queued, running, paused, recovering, succeeded, stopped, failed or cancelled.",
    )
    model: Mapped[str] = mapped_column(String(200), comment="Name of the model it starts from.")
    data: Mapped[str | None] = mapped_column(String(200), comment="Name of its data.")
    algorithm: Mapped[str | None] = mapped_column(String(40), comment="Name of its algorithm.")
    seed: Mapped[int | None] = mapped_column(comment="Seed of base weights (when made here), sampling and training.")
    group_size: Mapped[int | None] = mapped_column(comment="Completions per prompt: G.")
    prompts_per_step: Mapped[int | None] = mapped_column(comment="Prompts of one step (one rollout block).")
    updates_per_step: Mapped[int | None] = mapped_column(comment="Optimizer updates of one step.")
    learning_rate: Mapped[float | None] = mapped_column(comment="Learning rate after warm-up.")
    kl_coefficient: Mapped[float | None] = mapped_column(comment="Weight of the KL term.")
    tau: Mapped[float | None] = mapped_column(comment="How often each unique prompt is used; NULL: no fixed reuse.")
    science: Mapped[dict[str, Any]] = mapped_column(JSON, comment="The canonical configuration that was hashed.")
    model_id: Mapped[int | None] = mapped_column(
        ForeignKey("model.id"), comment="The weights it started from; NULL until prepared."
    )
    data_set_id: Mapped[int | None] = mapped_column(
        ForeignKey("data_set.id"), comment="The problems it used; NULL until prepared."
    )
    hold: Mapped[str | None] = mapped_column(
        String(16), comment="What a person asked of it: pause or cancel; NULL: nothing."
    )
    priority: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="Of trials that wait for a place, those with a higher one start first."
    )
    retried_after: Mapped[int] = mapped_column(
        default=0,
        server_default="0",
        comment="Attempt after which a person had it tried again: earlier failures count no more. 0: never.",
    )
    attempts: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="Attempts so far; the newest's number."
    )
    reached_step: Mapped[int] = mapped_column(default=0, server_default="0", comment="Last live step; 0: none yet.")
    reached_samples: Mapped[int | None] = mapped_column(comment="Prompts seen up to that step: D.")
    reached_tokens: Mapped[int | None] = mapped_column(comment="Tokens up to that step.")
    reached_flops: Mapped[float | None] = mapped_column(comment="Model FLOPs up to that step: C.")
    reached_seconds: Mapped[float | None] = mapped_column(comment="Seconds of training up to that step.")
    reached_gpu_seconds: Mapped[float | None] = mapped_column(
        comment="GPU-seconds of training up to that step; NULL: not measured."
    )
    headline_benchmark: Mapped[str | None] = mapped_column(String(80), comment="Benchmark of its first evaluation.")
    headline_protocol: Mapped[str | None] = mapped_column(String(80), comment="Protocol of its first evaluation.")
    first_score: Mapped[float | None] = mapped_column(comment="Its first live score on that benchmark.")
    last_score: Mapped[float | None] = mapped_column(comment="Its last live score on that benchmark.")
    created_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was first planned, UTC.")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it reached a final state, UTC.")


class SweepTrial(Base):
    __tablename__ = "sweep_trial"
    __table_args__ = ({"comment": "Which sweep asks for which trial, and how far and how it is to be run there."},)

    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweep.id"), primary_key=True, comment="The sweep.")
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id"), primary_key=True, index=True, comment="The trial.")
    position: Mapped[int] = mapped_column(comment="Place in the sweep's expansion, from 0.")
    axes: Mapped[dict[str, Any]] = mapped_column(JSON, comment="The value of each axis.")
    spec: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), comment="The resolved trial specification of this sweep; NULL: imported."
    )
    budget_unit: Mapped[str | None] = mapped_column(String(16), comment="Unit of the milestones; NULL: imported.")
    budget_last: Mapped[float | None] = mapped_column(
        comment="Last milestone, in that unit: the trial is done when it is reached; NULL: imported."
    )
    planned_flops: Mapped[float | None] = mapped_column(
        comment="Model FLOPs that the plan of the last submission reckoned for it; NULL: not planned."
    )
    planned_gpu_hours: Mapped[float | None] = mapped_column(
        comment="GPU-hours that the same plan reckoned for it; NULL: no GPUs, or not planned."
    )


class Webhook(Base):
    __tablename__ = "webhook"
    __table_args__ = (
        {"comment": "Where the events of a sweep are told, and how far each receiver has confirmed them."},
    )

    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweep.id"), primary_key=True, comment="The sweep.")
    receiver: Mapped[str] = mapped_column(
        String(300), primary_key=True, comment="Its host and port, with #2 for the second one there. Never its URL."
    )
    told_through_at: Mapped[datetime] = mapped_column(
        default=database_now(), comment="When the last event happened that it confirmed; at first, when it was named."
    )
    last_event: Mapped[str] = mapped_column(
        String(300), default="", server_default="", comment="That event, the last one of that moment; empty: none yet."
    )
