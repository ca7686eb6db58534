"""What the other packages hand to the store: frozen carriers whose fields are the columns of the same names.

Columns that the store fills by itself (keys, clocks, states) are not fields here. See the tables for units.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class SweepRecord:
    name: str
    question: str | None
    source: str
    source_sha256: str
    overrides: list[str]
    caveats: list[str]
    fit_settings: dict[str, Any] | None


@dataclass(frozen=True)
class PlannedTrial:
    """A grid point: its identity, the columns analysts filter by, and how this sweep wants it run."""

    science_hash: str
    science: dict[str, Any]
    model: str
    data: str
    algorithm: str
    seed: int
    group_size: int
    prompts_per_step: int
    updates_per_step: int
    learning_rate: float
    kl_coefficient: float
    tau: float | None
    axes: dict[str, Any]
    spec: dict[str, Any]
    budget_unit: str
    budget_last: float


@dataclass(frozen=True)
class ModelRecord:
    name: str
    source: str | None
    revision: str | None
    weights_sha256: str
    num_params: int
    total_params: int
    nominal_params: float | None
    warm_up_steps: int | None
    warm_up_score: float | None
    warm_up_seconds: float | None


@dataclass(frozen=True)
class DataSetRecord:
    name: str
    revision: str | None
    sha256: str
    unique_prompts: int | None


@dataclass(frozen=True)
class Process:
    """The process that runs an attempt; its start tells it from a later one with the same id."""

    host: str
    pid: int
    process_started_at: datetime


@dataclass(frozen=True)
class Provenance:
    """What an attempt ran on and with. None: not there, or not known."""

    engine: str | None
    device: str | None
    num_gpus: float | None
    num_cpus: int | None
    memory_bytes: int | None
    git_revision: str | None
    git_dirty: bool | None
    rlsweep_version: str | None
    python_version: str | None
    torch_version: str | None
    transformers_version: str | None
    trl_version: str | None
    vllm_version: str | None
    ray_version: str | None


@dataclass(frozen=True)
class StepRecord:
    step: int
    samples: int
    prompt_tokens: int
    completion_tokens: int
    cumulative_samples: int
    cumulative_tokens: int
    cumulative_flops: float
    cumulative_paper_flops: float | None
    cumulative_seconds: float
    generation_flops: float
    old_logprob_flops: float
    reference_flops: float
    train_flops: float
    flops_version: int
    step_seconds: float
    generation_seconds: float
    logprob_seconds: float
    reward_seconds: float
    loss: float | None
    reward: float | None
    reward_std: float | None
    zero_variance_share: float | None
    kl: float | None
    entropy: float | None
    clipped_share: float | None
    gradient_norm: float | None
    learning_rate: float | None
    mean_completion_tokens: float | None
    max_completion_tokens: float | None
    truncated_share: float | None
    sampling_logprob_difference: float | None


@dataclass(frozen=True)
class EvaluationRecord:
    step: int
    benchmark: str
    protocol: str
    problems: int
    samples_per_problem: int | None
    successes: int | None
    score: float
    standard_error: float | None
    evaluation_flops: float
    seconds: float


@dataclass(frozen=True)
class CheckpointRecord:
    step: int
    uri: str
    num_bytes: int
    manifest_sha256: str
    is_milestone: bool


@dataclass(frozen=True)
class FitRecords:
    """A fit and its parts: rows of the fit tables, by column, without the fit's number."""

    fit: dict[str, Any]
    parameters: list[dict[str, Any]]
    points: list[dict[str, Any]]
    holdouts: list[dict[str, Any]]
    forms: list[dict[str, Any]]
    checks: list[dict[str, Any]]
