"""What came out: one row per step, evaluation, problem and checkpoint, keyed by trial, attempt and step.

Columns that a trial run here always fills may be NULL in imported runs, whose logs may not say.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Identifier
from db.types import database_now


def _attempt_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["trial_id", "attempt"], ["attempt.trial_id", "attempt.number"])


class Step(Base):
    __tablename__ = "step"
    __table_args__ = (
        _attempt_key(),
        CheckConstraint("step >= 1", name="step_from_one"),
        CheckConstraint(
            "cumulative_samples >= 0 AND cumulative_tokens >= 0 AND cumulative_flops >= 0 AND cumulative_seconds >= 0",
            name="cumulative_not_negative",
        ),
        {
            "comment": "One rollout block: its prompts, completions, updates and cost. `cumulative_` columns count the "
            "whole trajectory up to and including this step, whichever attempts computed it."
        },
    )

    trial_id: Mapped[int] = mapped_column(primary_key=True, comment="The trial.")
    attempt: Mapped[int] = mapped_column(primary_key=True, comment="Number of the attempt that computed it.")
    step: Mapped[int] = mapped_column(primary_key=True, comment="Number of the step, from 1.")
    recorded_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was recorded, UTC.")

    samples: Mapped[int | None] = mapped_column(comment="Prompts of the step.")
    prompt_tokens: Mapped[int | None] = mapped_column(comment="Prompt tokens, once per completion.")
    completion_tokens: Mapped[int | None] = mapped_column(comment="Completion tokens.")
    cumulative_samples: Mapped[int | None] = mapped_column(comment="Prompts seen so far: D.")
    cumulative_tokens: Mapped[int | None] = mapped_column(comment="Prompt and completion tokens so far.")
    cumulative_flops: Mapped[float | None] = mapped_column(comment="Model FLOPs of generation and training so far: C.")
    cumulative_paper_flops: Mapped[float | None] = mapped_column(
        comment="6 x nominal parameters x tokens so far, as arXiv 2509.25300 counts; NULL: no nominal size."
    )
    cumulative_seconds: Mapped[float | None] = mapped_column(
        comment="Seconds of training so far, evaluation not counted."
    )

    generation_flops: Mapped[float | None] = mapped_column(comment="Model FLOPs of generation.")
    old_logprob_flops: Mapped[float | None] = mapped_column(comment="Model FLOPs of the sampling policy's log-probs.")
    reference_flops: Mapped[float | None] = mapped_column(comment="Model FLOPs of the reference's log-probs.")
    train_flops: Mapped[float | None] = mapped_column(comment="Model FLOPs of forward and backward passes.")
    flops_version: Mapped[int | None] = mapped_column(comment="Version of the FLOP formulas.")
    step_seconds: Mapped[float | None] = mapped_column(comment="Seconds of the whole step.")
    generation_seconds: Mapped[float | None] = mapped_column(comment="Seconds of generation.")
    logprob_seconds: Mapped[float | None] = mapped_column(comment="Seconds of old and reference log-probs.")
    reward_seconds: Mapped[float | None] = mapped_column(comment="Seconds of verification.")

    loss: Mapped[float | None] = mapped_column(comment="Policy loss, mean over the step's updates.")
    reward: Mapped[float | None] = mapped_column(comment="Mean training reward.")
    reward_std: Mapped[float | None] = mapped_column(comment="Mean over groups of the reward's standard deviation.")
    zero_variance_share: Mapped[float | None] = mapped_column(comment="Share of groups whose rewards are all equal.")
    kl: Mapped[float | None] = mapped_column(
        comment="KL to the reference per completion token, in nats; NULL: no reference."
    )
    entropy: Mapped[float | None] = mapped_column(comment="Mean entropy per completion token, in nats.")
    clipped_share: Mapped[float | None] = mapped_column(comment="Share of tokens whose ratio was clipped.")
    gradient_norm: Mapped[float | None] = mapped_column(comment="Gradient norm before clipping, mean over updates.")
    learning_rate: Mapped[float | None] = mapped_column(comment="Learning rate of the last update.")
    mean_completion_tokens: Mapped[float | None] = mapped_column(comment="Mean completion length, in tokens.")
    max_completion_tokens: Mapped[float | None] = mapped_column(comment="Longest completion, in tokens.")
    truncated_share: Mapped[float | None] = mapped_column(comment="Share of completions cut at the limit.")
    sampling_logprob_difference: Mapped[float | None] = mapped_column(
        comment="Mean absolute difference between the engine's log-probs and the policy's, in nats; NULL: no engine."
    )
    update_seconds: Mapped[float | None] = mapped_column(comment="Seconds of forward, backward and optimizer.")
    cumulative_gpu_seconds: Mapped[float | None] = mapped_column(
        comment="Seconds of training so far times GPUs held; 0 on CPUs; NULL: not measured."
    )
    executed_generation_flops: Mapped[float | None] = mapped_column(
        comment="FLOPs that were really done, padding and all, for generation; NULL: not counted."
    )
    executed_old_logprob_flops: Mapped[float | None] = mapped_column(
        comment="The same for the sampling policy's log-probs."
    )
    executed_reference_flops: Mapped[float | None] = mapped_column(comment="The same for the reference's log-probs.")
    executed_train_flops: Mapped[float | None] = mapped_column(
        comment="The same for forward and backward passes, with what is computed twice."
    )
    executed_flops_version: Mapped[int | None] = mapped_column(comment="Version of the formulas of executed FLOPs.")
    peak_memory_bytes: Mapped[int | None] = mapped_column(
        comment="Most that the attempt's first process has held so far: of its GPU, or of the host on CPUs."
    )
    completions: Mapped[int | None] = mapped_column(comment="Completions drawn, those of groups drawn anew among them.")
    trained_completions: Mapped[int | None] = mapped_column(comment="Completions that were trained on.")
    unanswered_completions: Mapped[int | None] = mapped_column(
        comment="Completions without an answer that can be read."
    )
    reward_exceptions: Mapped[int | None] = mapped_column(comment="Completions whose scorer failed or was killed.")
    reward_timeouts: Mapped[int | None] = mapped_column(comment="Completions whose scorer ran out of time.")
    tool_calls: Mapped[int | None] = mapped_column(comment="Calls of tools; NULL: no tools.")
    failed_tool_calls: Mapped[int | None] = mapped_column(comment="Calls of tools that failed; NULL: no tools.")


class Evaluation(Base):
    __tablename__ = "evaluation"
    __table_args__ = (
        _attempt_key(),
        UniqueConstraint("trial_id", "attempt", "step", "benchmark", "protocol"),
        CheckConstraint("step >= 0", name="step_from_zero"),
        CheckConstraint("score >= 0 AND score <= 1", name="score_is_a_share"),
        CheckConstraint("problems > 0 AND samples_per_problem > 0", name="counts_positive"),
        CheckConstraint(
            "successes >= 0 AND successes <= problems * samples_per_problem", name="successes_within_samples"
        ),
        {"comment": "One benchmark at one step. Test loss is 1 - score."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the evaluation.")
    trial_id: Mapped[int] = mapped_column(comment="The trial.")
    attempt: Mapped[int] = mapped_column(comment="Number of the attempt that computed it.")
    step: Mapped[int] = mapped_column(comment="Step after which it was made; 0: before the first.")
    recorded_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was recorded, UTC.")
    benchmark: Mapped[str] = mapped_column(String(80), comment="Name of the problems.")
    protocol: Mapped[str] = mapped_column(String(80), comment="How they were put and scored; never mixed in a fit.")
    problems: Mapped[int | None] = mapped_column(comment="Number of problems.")
    samples_per_problem: Mapped[int | None] = mapped_column(comment="Completions a problem; NULL: exact probability.")
    successes: Mapped[int | None] = mapped_column(comment="Right completions in all; NULL: exact probability.")
    score: Mapped[float] = mapped_column(comment="Pass@1, from 0 to 1.")
    standard_error: Mapped[float | None] = mapped_column(comment="Standard error of the score over problems.")
    evaluation_flops: Mapped[float | None] = mapped_column(comment="Model FLOPs it cost.")
    seconds: Mapped[float | None] = mapped_column(comment="Seconds it took.")
    data_set_id: Mapped[int | None] = mapped_column(
        ForeignKey("data_set.id"), comment="The problems, where they are known one by one."
    )


class EvaluationItem(Base):
    __tablename__ = "evaluation_item"
    __table_args__ = (
        CheckConstraint("successes IS NOT NULL OR probability IS NOT NULL", name="has_a_result"),
        CheckConstraint("probability >= 0 AND probability <= 1", name="probability_is_a_share"),
        {"comment": "One problem of an evaluation.", "sqlite_with_rowid": False},
    )

    evaluation_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation.id"), primary_key=True, autoincrement=False, comment="The evaluation."
    )
    problem_id: Mapped[int] = mapped_column(
        ForeignKey("problem.id"), primary_key=True, autoincrement=False, comment="The problem."
    )
    successes: Mapped[int | None] = mapped_column(comment="Right completions; NULL: exact probability.")
    probability: Mapped[float | None] = mapped_column(comment="Probability of a right completion; NULL: sampled.")


class Checkpoint(Base):
    __tablename__ = "checkpoint"
    __table_args__ = (
        _attempt_key(),
        UniqueConstraint("trial_id", "attempt", "step"),
        Index(None, "trial_id", "step"),
        {"comment": "A complete, verified copy of a trial's state at the end of a step."},
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the checkpoint.")
    trial_id: Mapped[int] = mapped_column(ForeignKey("trial.id"), comment="The trial.")
    attempt: Mapped[int] = mapped_column(comment="Number of the attempt that wrote it.")
    step: Mapped[int] = mapped_column(comment="Step at whose end it was written.")
    uri: Mapped[str] = mapped_column(Text, comment="Where it is.")
    num_bytes: Mapped[int] = mapped_column(comment="Size of its files, in bytes.")
    manifest_sha256: Mapped[str] = mapped_column(String(64), comment="SHA-256 of the list of its files' hashes.")
    is_milestone: Mapped[bool] = mapped_column(comment="Whether a budget was reached at this step.")
    written_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was complete, UTC.")
    deleted_at: Mapped[datetime | None] = mapped_column(comment="When its files were deleted, UTC; NULL: kept.")
