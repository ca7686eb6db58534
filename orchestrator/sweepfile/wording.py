"""Pydantic's errors in the words of somebody who writes sweep files, at their place in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.sweepfile.hints import EXAMPLES, hint, shown
from orchestrator.sweepfile.names import closest, model_at, model_in, unknown_key
from orchestrator.sweepfile.problems import DROPPABLE, MISSING, Path, SpecProblem
from orchestrator.sweepfile.yaml_source import YamlSource

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_pattern_mismatch": "letters, digits, `.`, `_` and `-`, starting with a letter or a digit",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length}",
    "string_too_long": "at most {max_length} characters",
}
_OF_THE_FILE = {
    "name": "name the sweep",
    "base": "it holds the values of every trial",
    "budgets": "say how far trials go",
    "evaluations": "say what trials are scored on",
}
_IN_PRESETS = {"group_size", "prompts_per_step", "optimizer", "generation", "learning_rate", "max_completion_tokens"}
_FROM_ANNOTATION: dict[Any, str] = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}

# What pydantic puts behind the place of a value that may be of several types.
_MEMBER_OF_UNION = re.compile(r"(constrained-)?(int|float|str|bool)|literal\[.*\]")
_MENTIONED = re.compile(r"`(?P<quoted>\w+)[^`]*`|\b(?P<counted>\w+) (?=[-.\d])")


def problems_of(
    error: ValidationError,
    source: YamlSource,
    *,
    prefix: Path,
    model: type[BaseModel],
    place: Callable[[Path], Path] = lambda path: path,
) -> Iterator[SpecProblem]:
    """Pydantic's errors as problems of the file.

    `prefix` is where in the file the data began that `model` was made from; `place` says where a value of such a
    path was written, where that is somewhere else (an axis).
    """
    found = [each for each in error.errors(include_url=False) if not _is_said_of_its_values(each)]
    strangers = {(each["loc"][:-1], str(each["loc"][-1])) for each in found if each["type"] == "extra_forbidden"}
    for loc, several in _by_place(found).items():
        details, path = several[0], place(as_written((*prefix, *loc), source))
        kind = details["type"]
        if kind == "extra_forbidden":
            yield SpecProblem(source.key_position(path), path, unknown_key(path, model, loc))
        elif kind == "missing":
            if not _is_misspelt(loc, strangers):
                yield SpecProblem(source.position(path[:-1]), path, f"{MISSING}{_advice(path, model, loc)}")
        elif kind == "value_error":
            reason = str(details["ctx"]["error"])
            path = _accused(reason, loc, source, prefix=prefix, model=model, place=place) or path
            yield SpecProblem(source.position(path), path, reason)
        else:
            expected = " or ".join(_expected(each) for each in several)
            guess = hint(kind, details["input"], path, details.get("ctx", {})) or _example(path, kind)
            if details["input"] is None and len(path) > 1 and path[:-1] in DROPPABLE:
                kind = "a model" if path[0] == "models" else "an axis"
                guess = f"; null takes away {kind} of a file that is extended, and there is none of this name"
            message = f"found {shown(details['input'])}, expected {expected}{guess}"
            yield SpecProblem(source.position(path), path, message)


def _is_said_of_its_values(details: ErrorDetails) -> bool:
    """A list whose values are all wrong is also too short for pydantic."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def _by_place(found: Iterable[ErrorDetails]) -> dict[Path, list[ErrorDetails]]:
    """A value of which several types were allowed has an error for each of them."""
    grouped: dict[Path, list[ErrorDetails]] = {}
    for details in found:
        loc = details["loc"]
        if loc and _MEMBER_OF_UNION.fullmatch(str(loc[-1])) and details["type"] not in ("extra_forbidden", "missing"):
            loc = loc[:-1]
        grouped.setdefault(loc, []).append(details)
    return grouped


def as_written(path: Path, source: YamlSource) -> Path:
    """Without the place in a list where the file has a mapping: one entry may stand for itself."""
    written: Path = ()
    current = source.data
    for part in path:
        if isinstance(part, int) and isinstance(current, dict):
            continue
        written = (*written, part)
        try:
            current = current[part]
        except (LookupError, TypeError):
            current = None
    return written


def _accused(
    reason: str, loc: Path, source: YamlSource, *, prefix: Path, model: type[BaseModel], place: Callable[[Path], Path]
) -> Path | None:
    """Which of the values that do not go together to point at: an axis' value, else one that the file gives."""
    if model_at(model, loc) is None:  # the value itself is wrong, not how it goes with others
        return None
    mentions = list(_MENTIONED.finditer(reason))
    quoted = [match["quoted"] for match in mentions if match["quoted"]]
    counted = [match["counted"] for match in mentions if match["counted"]]
    words = (*quoted, *reversed(counted))
    found = [(word,) if loc else _within(model, word) for word in words]
    candidates = [as_written((*prefix, *loc, *path), source) for path in sorted(found, key=len)]
    moved = [place(each) for each in candidates if place(each) != each]
    given = [each for each in candidates if each in source.positions and not source.positions[each].is_preset]
    return next(iter((*moved, *given)), None)


def _within(model: type[BaseModel], name: str) -> Path:
    """Where a field of that name is, should one mapping of the model have it, and not the model itself."""
    fields = model.model_fields
    inner = {home: model_in(field.annotation) for home, field in fields.items() if name not in fields}
    homes = [home for home, found in inner.items() if found and name in found.model_fields]
    return (homes[0], name) if len(homes) == 1 else (name,)


def _expected(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "too_short":
        return f"at least {context['min_length']} {'value' if details['loc'] != () else ''}".rstrip()
    if kind in _EXPECTED:
        limits = {name: limit for name, limit in context.items() if isinstance(limit, int | float)}
        return _EXPECTED[kind].format(**{name: f"{limit:.12g}" for name, limit in limits.items()})
    return details["msg"].removeprefix("Input should be ").removeprefix("a valid ")


def _example(path: Path, kind: str) -> str:
    is_section = len(path) == 1 and kind in ("model_type", "dict_type", "list_type")
    return f", such as {EXAMPLES[str(path[0])]}" if is_section and path[0] in EXAMPLES else ""


def _is_misspelt(loc: Path, strangers: Iterable[tuple[Path, str]]) -> bool:
    """Whether a name that is missing stands beside it with a mistake, which is said already."""
    beside = [name for parent, name in strangers if parent == loc[:-1]]
    return any(closest(name, [str(loc[-1])]) for name in beside)


def _advice(path: Path, model: type[BaseModel], loc: Path) -> str:
    """What to do about a value that is missing."""
    name = str(path[-1])
    if len(path) == 1 and name in _OF_THE_FILE:
        return f"; {_OF_THE_FILE[name]}, such as {EXAMPLES[name]}"
    if path[0] == "base":
        return "; give it here, as an axis, or by a `preset`" if name in _IN_PRESETS else "; give it here or as an axis"
    parent = model_at(model, loc[:-1])
    fields = {field.alias or key: field for key, field in parent.model_fields.items()} if parent else {}
    return f"; expected {_kind(fields[name].annotation)}" if name in fields else ""


def _kind(annotation: Any) -> str:
    if annotation in _FROM_ANNOTATION:
        return _FROM_ANNOTATION[annotation]
    if model_in(annotation):
        return "a mapping"
    if get_origin(annotation) is dict:
        return "a mapping"
    options = get_args(annotation)
    if options and all(isinstance(option, str) for option in options):
        return " or ".join([", ".join(f"'{option}'" for option in options[:-1]), f"'{options[-1]}'"])
    inner = [each for each in map(_kind, options) if each]
    return "a list" if "list" in str(annotation) or "tuple" in str(annotation) else next(iter(inner), "a mapping")
