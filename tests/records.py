"""Plausible records, for tests that fill a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from db.records import EvaluationRecord, PlannedTrial, Process, StepRecord, SweepRecord

HERE = Process(host="node-1", pid=4711, process_started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
SWEEP = SweepRecord("s", "Why?", "name: s", "0" * 64, [], ["Mind the gap."], None)


def planned(number: int, **changes: object) -> PlannedTrial:
    """The trial of seed `number`, with a budget of ten steps."""
    record = PlannedTrial(
        science_hash=f"v1:{number}", science={"seed": number}, model="m", data="d", algorithm="grpo", seed=number,
        group_size=8, prompts_per_step=64, updates_per_step=1, learning_rate=1e-6, kl_coefficient=0.0, tau=None,
        axes={"seed": number}, spec={"seed": number}, budget_unit="steps", budget_last=10.0,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def step(number: int, **changes: object) -> StepRecord:
    """Step `number` of a trajectory at an even pace: 10^19 FLOPs and half a second a step."""
    record = StepRecord(
        step=number, samples=64, prompt_tokens=4608, completion_tokens=2048, cumulative_samples=64 * number,
        cumulative_tokens=6656 * number, cumulative_flops=1e19 * number, cumulative_paper_flops=None,
        cumulative_seconds=0.5 * number, generation_flops=1e18, old_logprob_flops=0.0, reference_flops=0.0,
        train_flops=9e18, flops_version=1, step_seconds=0.5, generation_seconds=0.2, logprob_seconds=0.0,
        reward_seconds=0.1, update_seconds=0.2, loss=0.1, reward=0.3, reward_std=0.4, zero_variance_share=0.0,
        entropy=0.5, clipped_share=0.0, gradient_norm=1.0, learning_rate=1e-6, mean_completion_tokens=4.0,
        max_completion_tokens=4.0, truncated_share=0.0, cumulative_gpu_seconds=0.25 * number,
        executed_generation_flops=2e18, executed_old_logprob_flops=0.0, executed_reference_flops=0.0,
        executed_train_flops=1.2e19, executed_flops_version=1, peak_memory_bytes=1 << 33, completions=512,
        trained_completions=512,
        unanswered_completions=3, reward_exceptions=1, reward_timeouts=0,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def evaluation(at: int, score: float, **changes: object) -> EvaluationRecord:
    """A score of exact probabilities on 600 problems."""
    record = EvaluationRecord(
        at, "heldout", "exact", score, problems=600, standard_error=0.01, evaluation_flops=1e9, seconds=0.1
    )
    return replace(record, **changes)  # type: ignore[arg-type]
