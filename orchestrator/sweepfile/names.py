"""The names that a sweep file knows, and what to say of one that it does not.

A name is dotted from the root of the file; those of a trial's values are also known without the `base.` in front,
as axes, conditions and `--set` have them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel

from orchestrator.sweepfile.language import Point, SweepFile
from orchestrator.sweepfile.problems import Path

PRESET = "preset"

# What other programs, and other parts of this file, call the same thing.
_ELSEWHERE = {
    "beta": "kl_coefficient", "epsilon": "clip_low", "epsilon_high": "clip_high", "entropy": "entropy_quantile",
    "lr": "learning_rate", "r": "rank", "n": "samples", "num_generations": "group_size",
    "train_batch_size": "prompts_per_step", "max_tokens": "max_completion_tokens", "mfu": "utilization",
    "oom": "gpu_memory", "times": "max", "path": "source", "where": "if", "then": "set", "steps": "every_steps",
    "dataset": "data", "max_trials": "concurrent_trials",
}  # fmt: skip


def nearest(name: str, known: Sequence[str]) -> str:
    """What to say after "is not known here": the nearest known name, or all of them."""
    close = closest(name, known)
    if close is not None:
        return f"; did you mean `{close}`?"
    return f"; known: {', '.join(known)}" if known else ""


def closest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant; None if none is near."""
    if _ELSEWHERE.get(name.lower()) in known:
        return _ELSEWHERE[name.lower()]
    lower = {each.lower(): each for each in reversed(known)}
    close = difflib.get_close_matches(name.lower(), lower, n=3)
    close.sort(key=lambda each: sorted(each) != sorted(name.lower()))  # letters changed about come first
    return lower[close[0]] if close else None


def unknown_key(path: Path, model: type[BaseModel], loc: Path) -> str:
    """Why a key of the file is refused. `loc` is its path from `model`, `path` that from the root of the file."""
    name, parent = str(path[-1]), tuple(part for part in path[:-1] if isinstance(part, str))
    if ":" in name or "=" in name:
        return "is not known here; is the space after the colon missing?"
    if parent == ("axes",) and _is_known_value(name):
        return f"is not known here; axes are written under `grid`: axes: {{grid: {{{name}: [...]}}}}"
    homes = _homes(name, parent)
    known = known_names(model, loc[:-1])
    if not homes and parent == ("base",) and closest(name, known) != _ELSEWHERE.get(name.lower()):
        elsewhere = [each for each in value_names() if each.rpartition(".")[2] == _ELSEWHERE.get(name.lower())]
        if len(elsewhere) == 1:
            return f"is not known here; did you mean `{elsewhere[0]}`?"
    if homes:
        return f"is not known here; it belongs {' or '.join(homes)}"
    return f"is not known here{nearest(name, known)}"


def unknown_value(name: str) -> str | None:
    """Why no axis and no condition can have this name; None if a trial has a value of that name."""
    if _is_known_value(name):
        return None
    if name == PRESET:
        return "is no value of a trial: a sweep has one preset, in `base`; its values can be axes"
    parent, _, word = name.rpartition(".")
    homes = [known for known in value_names() if known.rpartition(".")[2] in (word, _ELSEWHERE.get(word.lower()))]
    if homes:
        return f"is not known here; did you mean {' or '.join(f'`{home}`' for home in homes)}?"
    inside = [known for known in value_names() if known.rpartition(".")[0] == parent]
    return f"is not known here{nearest(name, inside)}"


def _is_known_value(name: str) -> bool:
    return name in value_names()


def one_name(name: str) -> str:
    """The name by which a value is kept that has two."""
    return "tau" if name == "data.tau" else name


def long_name(name: str) -> str:
    """The name by which a value is written whole, below the mapping that it is in."""
    return "data.tau" if name == "tau" else name


@lru_cache(maxsize=1024)
def overlap(one: str, other: str) -> bool:
    """Whether two names are of one value, or one is of a mapping that holds the other."""
    a, b = long_name(one), long_name(other)
    return a == b or a.startswith(f"{b}.") or b.startswith(f"{a}.")


def bears_on(axis: str, name: str) -> bool:
    """Whether a trial's value of that name may depend on the axis."""
    return overlap(axis, name) or (axis == "algorithm" and overlap("loss", name))


@lru_cache(maxsize=1)
def value_names() -> tuple[str, ...]:
    """Dotted names of all values of a trial, mappings included."""
    return tuple(_dotted_names(Point))


@lru_cache(maxsize=256)
def default_of(name: str) -> Any:
    """What a trial has where the file says nothing of that name; None where it must say something."""
    current: type[BaseModel] | None = Point
    default: Any = None
    for part in ("data.tau" if name == "tau" else name).split("."):
        field = current.model_fields.get(part) if current else None
        if field is None:
            return None
        default = None if field.is_required() else field.get_default(call_default_factory=False)
        current = model_in(field.annotation)
    return default


@lru_cache(maxsize=1)
def section_names() -> tuple[str, ...]:
    """Dotted names of all that a sweep file may hold, without the names that its writer chooses."""
    values = (f"base.{name}" for name in (*value_names(), PRESET))
    return (*_dotted_names(SweepFile), *values, "extends")


def _dotted_names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield (written := field.alias or name)
        inner = model_in(field.annotation)
        if inner is not None:
            yield from (f"{written}.{deeper}" for deeper in _dotted_names(inner))


def _homes(word: str, parent: Path) -> list[str]:
    """The mappings that know a name which is written in `parent`: the nearest ones, at most two."""
    found = [known.rpartition(".")[0] for known in section_names() if known.rpartition(".")[2] == word]
    shared = [sum(1 for _ in _common(home.split("."), parent)) for home in found]
    nearby = [home for home, num in zip(found, shared, strict=True) if num == max(shared)]
    named = [f"in `{home}`" if home else "at the root of the file" for home in sorted(nearby, key=len)]
    return named if len(named) <= 2 else []


def _common(one: Sequence[Any], other: Sequence[Any]) -> Iterator[Any]:
    for left, right in zip(one, other, strict=False):
        if left != right:
            return
        yield left


def known_names(model: type[BaseModel], loc: Path) -> list[str]:
    """The names allowed where pydantic, walking `loc` from `model`, met an unknown one."""
    current = model_at(model, loc)
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def model_at(model: type[BaseModel], loc: Path) -> type[BaseModel] | None:
    """The model at `loc`; places in lists and keys that the file's writer chose are passed over."""
    current: type[BaseModel] | None = model
    for part in loc:
        by_alias = {field.alias or name: field for name, field in current.model_fields.items()} if current else {}
        if part in by_alias:
            current = model_in(by_alias[str(part)].annotation)
    return current


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `list[Model] | None`; None if it has none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(model_in, get_args(annotation)) if found is not None), None)
