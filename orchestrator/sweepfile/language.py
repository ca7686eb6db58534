"""The sweep file's language: what may be written, and what it means when left out.

Nothing heavy is imported: `validate` must answer in a blink.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from workers.spec import (
    Budget,
    Data,
    Evaluation,
    MadeModel,
    Optimizer,
    PositiveFloat,
    PositiveInt,
    Seed,
    Strict,
)


class Loss(Strict):
    """The policy-gradient loss; see `workers.spec.Algorithm`."""

    clip_low: PositiveFloat = 0.2
    clip_high: PositiveFloat = 0.2
    kl_coefficient: Annotated[float, Field(ge=0)] = 0.0
    aggregation: Literal["token_mean"] = "token_mean"
    advantage_scale: Literal["group", "batch", "none"] = "group"


class Generation(Strict):
    """How completions are drawn, and by which engine."""

    engine: Literal["auto", "transformers", "vllm"] = "auto"
    max_completion_tokens: PositiveInt
    temperature: PositiveFloat = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.3


class ModelEntry(Strict):
    """An entry of `models`: a name given to weights that are made here, or found in a folder or on the hub."""

    source: str | None = None
    revision: str | None = None
    made: MadeModel | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    nominal_params: PositiveFloat | None = None


class Point(Strict):
    """One trial's values: `base`, with an axis' value in place of some of them."""

    model: str
    data: Data
    algorithm: Literal["grpo"] = "grpo"
    group_size: Annotated[int, Field(ge=2)]
    prompts_per_step: PositiveInt
    updates_per_step: PositiveInt = 1
    seed: Seed = 0
    loss: Loss = Loss()
    optimizer: Optimizer
    generation: Generation


AxisValues = Annotated[list[Any], Field(min_length=1)]
Pattern = Annotated[dict[str, Any], Field(min_length=1)]


class When(Strict):
    """Other values where a condition holds: a list takes the place of an axis' values, anything else is one value.

    `if` names axes, or values of `base`, with the value each must have, or a list of which it must have one.
    """

    condition: Annotated[Pattern, Field(alias="if")]
    set: Pattern


class Axes(Strict):
    """What varies. Every combination that remains is a trial; see `orchestrator.sweepfile.grid`."""

    grid: dict[str, AxisValues] = Field(default_factory=dict)
    zip: list[Annotated[dict[str, AxisValues], Field(min_length=1)]] = Field(default_factory=list)
    when: list[When] = Field(default_factory=list)
    exclude: list[Pattern] = Field(default_factory=list)


class Resources(Strict):
    """What one trial is given."""

    cpus: PositiveInt = 1
    gpus: Annotated[float, Field(ge=0)] = 0
    memory_gb: PositiveFloat = 2.0
    micro_batch: PositiveInt | None = None
    gradient_checkpointing: bool = False


class Checkpoints(Strict):
    """When checkpoints are written, beside those at budgets, and how many of them are kept."""

    every_steps: PositiveInt = 20
    keep: PositiveInt = 2


class Limits(Strict):
    """What the whole sweep may use."""

    concurrent_trials: PositiveInt | None = None


class FitSettings(Strict):
    """How `rlsweep fit` treats this sweep unless told otherwise. `from` leaves out evaluations before that x."""

    scope: Literal["inter-model"] = "inter-model"
    x: Literal["compute", "data", "tokens", "steps"] = "compute"
    from_x: Annotated[float | None, Field(alias="from", ge=0)] = None


class SweepFile(Strict):
    """A whole sweep file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]
    question: str | None = None
    caveats: list[str] = Field(default_factory=list)
    models: dict[str, ModelEntry] = Field(default_factory=dict)
    base: dict[str, Any]
    axes: Axes = Axes()
    budgets: Budget
    evaluations: Annotated[list[Evaluation], Field(min_length=1)]
    resources: Resources = Resources()
    checkpoints: Checkpoints = Checkpoints()
    limits: Limits = Limits()
    fit: FitSettings | None = None
