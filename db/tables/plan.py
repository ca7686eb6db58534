"""What was asked for: sweeps, trials and which sweep asked for which trial."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.states import TrialState
from db.tables.base import Base, Identifier, one_of
from db.types import database_now


class Sweep(Base):
    __tablename__ = "sweep"
    __table_args__ = (
        UniqueConstraint("name"),
        {"comment": "One sweep file as last submitted. A sweep is known by its name."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the sweep.")
    name: Mapped[str] = mapped_column(String(200), comment="`name` in the sweep file.")
    question: Mapped[str | None] = mapped_column(Text, comment="The question the sweep is to answer.")
    source: Mapped[str] = mapped_column(Text, comment="The sweep file's text, as submitted.")
    source_sha256: Mapped[str] = mapped_column(String(64), comment="SHA-256 of `source`.")
    overrides: Mapped[list[str]] = mapped_column(JSON, comment="`--set` arguments of the last submission.")
    caveats: Mapped[list[str]] = mapped_column(JSON, comment="Sentences shown beside every fit of this sweep.")
    fit_settings: Mapped[dict[str, Any] | None] = mapped_column(JSON, comment="`fit` in the sweep file.")
    created_at: Mapped[datetime] = mapped_column(default=database_now(), comment="First submission, UTC.")
    submitted_at: Mapped[datetime] = mapped_column(default=database_now(), comment="Last submission, UTC.")
    drain_requested_at: Mapped[datetime | None] = mapped_column(
        comment="When the sweep's trials were asked to stop at the end of their step; NULL: not asked. UTC."
    )


class Trial(Base):
    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint("science_hash"),
        one_of("state", TrialState),
        Index(None, "state"),
        {"comment": "One trajectory: a grid point that is run once, whichever sweeps ask for it."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the trial.")
    science_hash: Mapped[str] = mapped_column(String(80), comment="Identity: hash of what changes the numbers.")
    state: Mapped[str] = mapped_column(String(16), default=TrialState.PLANNED, comment="Where the trial stands.")
    model: Mapped[str] = mapped_column(String(200), comment="Name of the model it starts from.")
    data: Mapped[str] = mapped_column(String(200), comment="Name of its data.")
    algorithm: Mapped[str] = mapped_column(String(40), comment="Name of its algorithm.")
    seed: Mapped[int] = mapped_column(comment="Seed of base weights (when made here), sampling and training.")
    group_size: Mapped[int] = mapped_column(comment="Completions per prompt, G.")
    prompts_per_step: Mapped[int] = mapped_column(comment="Prompts of one step (one rollout block).")
    updates_per_step: Mapped[int] = mapped_column(comment="Optimizer updates of one step.")
    learning_rate: Mapped[float] = mapped_column(comment="Learning rate after warm-up.")
    kl_coefficient: Mapped[float] = mapped_column(comment="Weight of the KL term.")
    tau: Mapped[float | None] = mapped_column(comment="How often each unique prompt is used; NULL: no fixed reuse.")
    science: Mapped[dict[str, Any]] = mapped_column(JSON, comment="The canonical configuration that was hashed.")
    model_id: Mapped[int | None] = mapped_column(
        ForeignKey("model.id"), comment="The weights it started from; NULL until prepared."
    )
    data_set_id: Mapped[int | None] = mapped_column(
        ForeignKey("data_set.id"), comment="The problems it used; NULL until prepared."
    )
    created_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was first planned, UTC.")
    finished_at: Mapped[datetime | None] = mapped_column(comment="When it reached a final state, UTC.")


class SweepTrial(Base):
    __tablename__ = "sweep_trial"
    __table_args__ = ({"comment": "Which sweep asks for which trial, and how far and how it is to be run there."},)

    sweep_id: Mapped[int] = mapped_column(ForeignKey("sweep.id"), primary_key=True, comment="The sweep.")
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id"), primary_key=True, index=True, comment="The trial.")
    position: Mapped[int] = mapped_column(comment="Place in the sweep's expansion, from 0.")
    axes: Mapped[dict[str, Any]] = mapped_column(JSON, comment="The value of each axis.")
    spec: Mapped[dict[str, Any]] = mapped_column(JSON, comment="The resolved trial specification of this sweep.")
    budget_unit: Mapped[str] = mapped_column(String(16), comment="Unit of the milestones.")
    budget_last: Mapped[float] = mapped_column(comment="Last milestone: the trial is done when it is reached.")
