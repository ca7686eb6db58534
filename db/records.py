"""What the other packages hand to the store: frozen carriers whose fields are the columns of the same names.

Columns that the store fills by itself (keys, clocks, states) are not fields here. See the tables for units.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from db.states import AttemptState


@dataclass(frozen=True)
class SweepRecord:
    name: str
    question: str | None
    source: str | None
    source_sha256: str | None
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
    planned_flops: float | None = None
    planned_gpu_hours: float | None = None


@dataclass(frozen=True)
class ModelRecord:
    name: str
    num_params: int | None
    total_params: int | None = None
    nominal_params: float | None = None
    family: str | None = None
    variant: str | None = None
    source: str | None = None
    revision: str | None = None
    weights_sha256: str | None = None
    warm_up_steps: int | None = None
    warm_up_score: float | None = None
    warm_up_seconds: float | None = None


@dataclass(frozen=True)
class DataSetRecord:
    """Problems, known by their content: `sha256` is of all of them, in order.

    `problem_sha256s` names each problem where something is known of each: the order is theirs in the data set.
    `problem_sources` says where each is from, if that is known.
    """

    name: str
    revision: str | None
    sha256: str
    num_problems: int | None
    unique_prompts: int | None = None
    rows_read: int | None = None
    near_duplicates_dropped: int | None = None
    too_long_dropped: int | None = None
    problem_sha256s: tuple[str, ...] = ()
    problem_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Process:
    """The process that runs an attempt; its start tells it from a later one with the same id."""

    host: str
    pid: int
    process_started_at: datetime
    node_id: str | None = None  # of the Ray cluster; None: started by hand


@dataclass(frozen=True)
class Provenance:
    """What an attempt ran on and with. None: not there, or not known."""

    execution: dict[str, Any] | None
    execution_hash: str | None
    engine: str | None
    device: str | None
    num_gpus: float | None
    gpu_peak_flops: float | None
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
class LogPlace:
    """Where the attempt's log is."""

    log_uri: str


@dataclass(frozen=True)
class Phase:
    """What the attempt is doing now."""

    phase: str
    phase_detail: str | None = None


@dataclass(frozen=True)
class ResumePoint:
    """The step that the attempt continues (0: from the start); later steps of earlier attempts count no more."""

    step: int


@dataclass(frozen=True)
class StepRecord:
    """One step. A trial fills in everything but what does not exist for it; an imported run what its log says."""

    step: int
    samples: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cumulative_samples: int | None = None
    cumulative_tokens: int | None = None
    cumulative_flops: float | None = None
    cumulative_paper_flops: float | None = None
    cumulative_seconds: float | None = None
    generation_flops: float | None = None
    old_logprob_flops: float | None = None
    reference_flops: float | None = None
    train_flops: float | None = None
    flops_version: int | None = None
    step_seconds: float | None = None
    generation_seconds: float | None = None
    logprob_seconds: float | None = None
    reward_seconds: float | None = None
    update_seconds: float | None = None
    loss: float | None = None
    reward: float | None = None
    reward_std: float | None = None
    zero_variance_share: float | None = None
    kl: float | None = None
    entropy: float | None = None
    clipped_share: float | None = None
    gradient_norm: float | None = None
    learning_rate: float | None = None
    mean_completion_tokens: float | None = None
    max_completion_tokens: float | None = None
    truncated_share: float | None = None
    sampling_logprob_difference: float | None = None
    cumulative_gpu_seconds: float | None = None
    executed_generation_flops: float | None = None
    executed_old_logprob_flops: float | None = None
    executed_reference_flops: float | None = None
    executed_train_flops: float | None = None
    executed_flops_version: int | None = None
    peak_memory_bytes: int | None = None
    completions: int | None = None
    trained_completions: int | None = None
    unanswered_completions: int | None = None
    reward_exceptions: int | None = None
    reward_timeouts: int | None = None
    tool_calls: int | None = None
    failed_tool_calls: int | None = None


@dataclass(frozen=True)
class ProblemResult:
    """One problem of an evaluation. `problem` is its place in the data set, from 0."""

    problem: int
    successes: int | None = None
    probability: float | None = None


@dataclass(frozen=True)
class EvaluationRecord:
    """A score. `data_set_sha256` names the problems, which must have been recorded, if there are `results`."""

    step: int
    benchmark: str
    protocol: str
    score: float
    problems: int | None = None
    samples_per_problem: int | None = None
    successes: int | None = None
    standard_error: float | None = None
    evaluation_flops: float | None = None
    seconds: float | None = None
    data_set_sha256: str | None = None
    results: tuple[ProblemResult, ...] = ()


@dataclass(frozen=True)
class CheckpointRecord:
    step: int
    uri: str
    num_bytes: int
    manifest_sha256: str
    is_milestone: bool


@dataclass(frozen=True)
class DeletedCheckpoint:
    """A checkpoint whose files are gone since the end of `step`: one of an earlier step, or of an earlier attempt."""

    uri: str
    step: int


@dataclass(frozen=True)
class AttemptEnd:
    """How an attempt ended; the trial ends with it, unless it is to be continued later."""

    state: AttemptState
    message: str | None = None
    failure_class: str | None = None
    outcome: str | None = None
    traceback: str | None = None


# What a living attempt can tell the store.
AttemptRecord: TypeAlias = (
    Provenance
    | LogPlace
    | Phase
    | ResumePoint
    | ModelRecord
    | DataSetRecord
    | StepRecord
    | EvaluationRecord
    | CheckpointRecord
    | DeletedCheckpoint
    | AttemptEnd
)


@dataclass(frozen=True)
class ImportedRun:
    """A trajectory that another program recorded, in our units; what it did not record is None.

    `name` tells the run from the others of the same sweep, and is the same whenever its file is read again.
    """

    name: str
    model: ModelRecord
    data: str | None
    algorithm: str | None
    seed: int | None
    group_size: int | None
    prompts_per_step: int | None
    updates_per_step: int | None
    learning_rate: float | None
    kl_coefficient: float | None
    tau: float | None
    steps: tuple[StepRecord, ...]
    evaluations: tuple[EvaluationRecord, ...]


@dataclass(frozen=True)
class ImportedFile:
    """Where imported runs came from. `mapping` is what the user said about its columns."""

    path: str
    format: str
    sha256: str
    num_bytes: int
    mapping: dict[str, str]


@dataclass(frozen=True)
class FitRecords:
    """A fit and its parts: rows of the fit tables, by column, without the fit's number."""

    fit: dict[str, Any]
    parameters: list[dict[str, Any]]
    points: list[dict[str, Any]]
    holdouts: list[dict[str, Any]]
    forms: list[dict[str, Any]]
    checks: list[dict[str, Any]]
