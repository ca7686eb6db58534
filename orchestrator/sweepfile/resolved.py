"""Every value that a sweep's trials are run with, and where it comes from.

A value comes from an axis, the command line, a line of the sweep file or of one that it extends, the name of the
algorithm, a preset, or nobody: then it is the default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, get_args

from pydantic import BaseModel

from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.loading import LoadedSweep
from orchestrator.sweepfile.origins import kinds_of, origin
from orchestrator.sweepfile.problems import Path, dotted
from workers.spec import Algorithm, Sampling, TrialSpec

_PARTS = ("model", "data", "algorithm", "optimizer", "sampling", "lora", "environment", "execution", "health")
# What is not a value of the trials, or is shown by itself.
_NOT_SHOWN = {"name", "question", "caveats", "base", "axes"}


@dataclass(frozen=True)
class ResolvedValue:
    """A value by its name in the sweep file; all values of the trials, in order, where an axis changes it."""

    name: str
    values: tuple[Any, ...]
    origin: str


def resolved_values(loaded: LoadedSweep) -> list[ResolvedValue]:
    """The values of the trials, then those of the other sections."""
    return [*_of_trials(loaded), *_of_sections(loaded)]


def _of_trials(loaded: LoadedSweep) -> Iterator[ResolvedValue]:
    # Trials that differ in nothing but their seed share all parts of their specification.
    kinds = list({tuple(id(getattr(t.spec, part)) for part in _PARTS): t for t in loaded.trials}.values())
    givers = kinds_of(loaded.trials)
    for path, read in _fields_of_points():
        trials = loaded.trials if path == ("seed",) else kinds
        values = tuple({repr(value): value for value in (read(trial.spec) for trial in trials)}.values())
        yield ResolvedValue(dotted(path), values, origin(path, loaded.sweep.base, loaded.source, givers))


def _fields_of_points() -> Iterator[tuple[Path, Callable[[TrialSpec], Any]]]:
    """The name of each value in `base`, and how to read it off a specification."""
    for name, field in Point.model_fields.items():
        nested = _model_of(field.annotation)
        if nested is None or name in ("lora", "environment"):
            yield (name,), attrgetter(_attribute(name))
        else:
            for inner in nested.model_fields:
                if (name, inner) != ("data", "tau"):
                    yield (name, inner), attrgetter(_attribute(name, inner))


# Where a specification keeps what has another name in the sweep file.
_ATTRIBUTES = {"model": "model.name", "tau": "data.tau", "algorithm": "algorithm.name"}


def _attribute(name: str, inner: str = "") -> str:
    if name in _ATTRIBUTES:
        return _ATTRIBUTES[name]
    if name == "loss":
        return f"algorithm.{inner}"
    if name == "generation":
        return f"{'sampling' if inner in Sampling.model_fields else 'execution'}.{inner}"
    if inner:
        return f"{name}.{inner}"
    return f"algorithm.{name}" if name in Algorithm.model_fields else name


def _model_of(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _of_sections(loaded: LoadedSweep) -> Iterator[ResolvedValue]:
    for section in SweepFile.model_fields:
        if section not in _NOT_SHOWN:
            yield from _leaves(getattr(loaded.sweep, section), (section,), loaded)


def _leaves(value: Any, path: Path, loaded: LoadedSweep) -> Iterator[ResolvedValue]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _leaves(getattr(value, name), (*path, field.alias or name), loaded)
    elif isinstance(value, dict) and path == ("models",):
        used = {trial.spec.model.name for trial in loaded.trials}
        for name, entry in ((name, entry) for name, entry in value.items() if name in used):
            yield from _leaves(entry, (*path, name), loaded)
    elif isinstance(value, list | tuple) and value and isinstance(value[0], BaseModel):
        # `resources` may be written without a list, as the one entry that it is.
        is_alone = isinstance(loaded.source.data.get(path[0]), dict)
        for place, item in enumerate(value):
            yield from _leaves(item, path if is_alone else (*path, place), loaded)
    else:
        position = loaded.source.positions.get(path)
        yield ResolvedValue(dotted(path), (value,), str(position or "default"))
