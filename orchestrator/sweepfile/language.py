"""The sweep file's language: what may be written, and what it means when left out.

`load_sweep` reads a file, applies `--set`, and returns a `SweepFile` or every problem at once. It imports nothing
heavy: `validate` must answer in a blink.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.sweepfile.overrides import apply_overrides
from orchestrator.sweepfile.problems import InvalidSweep, Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource, read_yaml
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


class Axes(Strict):
    """What varies. `grid` is crossed: every combination of its values is a trial."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)


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


@dataclass(frozen=True)
class LoadedSweep:
    """A valid sweep file with the text it came from, to say where later problems lie."""

    sweep: SweepFile
    source: YamlSource
    overrides: tuple[str, ...]


def load_sweep(file: FilePath, overrides: Sequence[str] = ()) -> LoadedSweep:
    """Read and check a sweep file. Raises InvalidSweep with every problem."""
    source = read_yaml(file)
    apply_overrides(source, overrides)
    try:
        sweep = SweepFile.model_validate(source.data)
    except ValidationError as error:
        raise InvalidSweep([to_problem(details, source, (), SweepFile) for details in error.errors()]) from None
    return LoadedSweep(sweep, source, tuple(overrides))


def to_problem(details: ErrorDetails, source: YamlSource, prefix: Path, model: type[BaseModel]) -> SpecProblem:
    """One of pydantic's errors in our words, at its place in the file."""
    path: Path = (*prefix, *details["loc"])
    kind, found = details["type"], details["input"]
    if kind == "extra_forbidden":
        known = _known_names(model, details["loc"][:-1])
        return SpecProblem(source.key_position(path), path, f"is not known here{nearest(str(path[-1]), known)}")
    if kind == "missing":
        return SpecProblem(source.position(path[:-1]), path, "is missing")
    if kind == "value_error":
        return SpecProblem(source.position(path), path, str(details["ctx"]["error"]))
    message = details["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    shown = f"{found!r}" if not isinstance(found, dict | list) else f"a {type(found).__name__}"
    return SpecProblem(source.position(path), path, f"found {shown}, expected {message}")


def _known_names(model: type[BaseModel], loc: Path) -> list[str]:
    """The names allowed where pydantic, walking `loc` from `model`, met an unknown one."""
    current: type[BaseModel] | None = model
    for part in loc:
        if current is None:
            return []
        if isinstance(part, str) and part in current.model_fields:
            current = _model_in(current.model_fields[part].annotation)
    return [f.alias or name for name, f in current.model_fields.items()] if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def nearest(name: str, known: Sequence[str]) -> str:
    """What to say after "is not known here": the nearest known name, or all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; known: {', '.join(known)}" if known else ""
