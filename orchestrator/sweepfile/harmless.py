"""Something harmless in place of what is wrong in a combination of values, so that the rest of it is checked too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from pydantic import ValidationError

from orchestrator.sweepfile.effective import leaves, merged
from orchestrator.sweepfile.problems import Path
from orchestrator.sweepfile.sections import mentioned
from workers.spec import Model


class Unplaceable(Exception):
    """A value that is well formed and stands for nothing: a model that nobody knows."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


Refusal: TypeAlias = ValidationError | Unplaceable

STAND_IN_MODEL = Model(name="x", source="organisation/name")
_NEEDED: dict[str, Any] = {
    "model": "organisation/name",
    "data": {},
    "group_size": 2,
    "prompts_per_step": 1,
    "optimizer": {"learning_rate": 1e-6},
    "generation": {"max_completion_tokens": 10**9},
}


def make_harmless(data: dict[str, Any], error: Refusal) -> set[str]:
    """Take out of nested values what an error speaks of, and fill in what is needed; the names of all these."""
    gone: set[str] = {"model"} if isinstance(error, Unplaceable) else set()
    for path in list(_accused(data, error)) if isinstance(error, ValidationError) else ():
        holder: Any = data
        for part in path[:-1]:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder.pop(path[-1], None)
        gone.add(str(path[-1]))
    filled = {str(path[-1]) for path in leaves(_NEEDED, ()) if not _has(data, path)}
    data.update(merged(_NEEDED, data))
    if not data["data"].get("task") and not data["data"].get("train"):
        data["data"] |= {"task": "affine-lookup"} if "task" in gone and "train" not in gone else {"train": "a/b"}
        filled |= {"task", "train"}
    return gone | filled


def _accused(data: dict[str, Any], error: ValidationError) -> Iterator[Path]:
    for each in error.errors(include_url=False, include_input=False):
        path = _as_far_as_there_is(data, each["loc"])
        words = mentioned(str(each["ctx"]["error"])) if each["type"] == "value_error" else set()
        inside = [other for other in leaves(data, ()) if other[: len(path)] == path and other != path]
        if each["type"] == "value_error" and inside:  # values that do not go together
            yield from (other for other in inside if other[-1] in words)
            yield from ((*path, word) for word in words)
        elif path:
            yield path


def _as_far_as_there_is(data: dict[str, Any], loc: Path) -> Path:
    """Pydantic puts the names of types, and places in lists, behind that of a value."""
    if loc == ("data", "tau"):
        return ("tau",)
    current: Any = data
    for length, part in enumerate(loc):
        if not isinstance(current, dict) or part not in current:
            return loc[: max(length, 1)] if not isinstance(current, dict) else loc[: length + 1]
        current = current[part]
    return loc


def _has(data: Any, path: Path) -> bool:
    for part in path:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True
