"""The sweep file's language: what may be written, and what it means when left out.

Nothing heavy is imported: `validate` must answer in a blink.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator, model_validator

from orchestrator.sweepfile.algorithms import REFUSED
from orchestrator.sweepfile.notify import Hook
from orchestrator.sweepfile.places import reason_against
from orchestrator.sweepfile.retry import Retry
from orchestrator.sweepfile.running import Checkpoints, Expected, Limits, ResourceRule
from workers.spec import (
    AlgorithmName,
    Budget,
    Data,
    Environment,
    Evaluation,
    GroupSize,
    Health,
    Lora,
    Loss,
    MadeModel,
    Optimizer,
    PositiveFloat,
    PositiveInt,
    Seed,
    Strict,
    Text,
)
from workers.spec.places import is_path, reason_against_place


class Generation(Strict):
    """How completions are drawn, and by which engine."""

    engine: Literal["auto", "transformers", "vllm"] = "auto"
    max_completion_tokens: PositiveInt
    temperature: PositiveFloat = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None


class ModelEntry(Strict):
    """An entry of `models`: a name given to weights that are made here, or found in a folder or on the hub."""

    source: Text | None = None
    revision: Text | None = None
    made: MadeModel | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    nominal_params: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> ModelEntry:
        if (self.source is None) == (self.made is None):
            raise ValueError("needs exactly one of `source`, where the weights are, and `made`, how they are made here")
        if self.made is not None and self.revision is not None:
            raise ValueError("`revision` means nothing for a model that is made here")
        if self.revision is not None and self.source is not None and is_path(self.source):
            raise ValueError("`revision` means nothing beside a folder; it is one of a model on the hub")
        return self

    @field_validator("source")
    @classmethod
    def _is_a_place(cls, source: str | None) -> str | None:
        reason = None if source is None else reason_against_place(source)
        if reason is not None:
            raise ValueError(reason)
        return source


def _refuse_known_strangers(name: Any) -> Any:
    if isinstance(name, str) and name in REFUSED:
        raise ValueError(f"found '{name}': {REFUSED[name]}")
    return name


def _refuse_missing_files(data: Data) -> Data:
    for name in ("train", "heldout"):
        place = getattr(data, name)
        reason = None if place is None else reason_against(place)
        if reason is not None:
            raise ValueError(f"`{name}`: {reason}")
    if data.revision is not None and data.train is not None and is_path(data.train):
        raise ValueError("`revision` means nothing beside a path; it is one of a data set on the hub")
    return data


class Point(Strict):
    """One trial's values: `base`, with an axis' value in place of some of them."""

    model: Text
    data: Annotated[Data, AfterValidator(_refuse_missing_files)]
    tau: PositiveInt | None = None
    algorithm: Annotated[AlgorithmName, BeforeValidator(_refuse_known_strangers)] = "grpo"
    group_size: GroupSize
    prompts_per_step: PositiveInt
    updates_per_step: PositiveInt = 1
    epochs_per_step: PositiveInt = 1
    seed: Seed = 0
    loss: Loss = Loss()
    optimizer: Optimizer
    generation: Generation
    lora: Lora | None = None
    environment: Environment | None = None
    health: Health = Health()


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


class Budgets(Budget):
    """The budgets of every trial, and whether one trajectory serves them all.

    `shared` is refused where a trial that goes further does something else on the way; `separate` makes a trial for
    each budget.
    """

    trajectories: Literal["shared", "separate"] = "shared"

    @field_validator("at")
    @classmethod
    def _ascend(cls, at: tuple[float, ...]) -> tuple[float, ...]:
        for before, after in itertools.pairwise(at):
            if after <= before:
                raise ValueError(f"budgets must ascend without repeats, and {after:.12g} comes after {before:.12g}")
        return at


class FitSettings(Strict):
    """How `rlsweep fit` treats this sweep unless told otherwise. `from` leaves out evaluations before that x."""

    scope: Literal["inter-model", "intra-model", "data-reuse", "group-size", "transfer"] = "inter-model"
    x: Literal["compute", "paper-compute", "data", "tokens", "steps", "gpu-hours"] = "compute"
    from_x: Annotated[float | None, Field(alias="from", ge=0)] = None


SweepName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class SweepFile(Strict):
    """A whole sweep file."""

    name: SweepName
    question: Text | None = None
    caveats: list[Text] = Field(default_factory=list)
    models: dict[Text, ModelEntry] = Field(default_factory=dict)
    base: dict[str, Any]
    axes: Axes = Axes()
    budgets: Budgets
    evaluations: Annotated[list[Evaluation], Field(min_length=1)]
    resources: Annotated[list[ResourceRule], BeforeValidator(_as_list), Field(min_length=1)] = Field(
        default=[ResourceRule()]
    )
    expected: Expected = Expected()
    retry: Retry = Retry()
    limits: Limits = Limits()
    checkpoints: Checkpoints = Checkpoints()
    notify: list[Hook] = Field(default_factory=list)
    fit: FitSettings | None = None
