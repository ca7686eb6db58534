"""Pydantic's errors in the words of somebody who writes sweep files, at their place in the file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from orchestrator.sweepfile.problems import Path, SpecProblem
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
}


def to_problem(details: ErrorDetails, source: YamlSource, prefix: Path, model: type[BaseModel]) -> SpecProblem:
    """One of pydantic's errors. `prefix` is where in the file the data began that `model` was made from."""
    path = _as_written((*prefix, *details["loc"]), source)
    kind = details["type"]
    if kind == "extra_forbidden":
        known = _known_names(model, details["loc"][:-1])
        return SpecProblem(source.key_position(path), path, f"is not known here{nearest(str(path[-1]), known)}")
    if kind == "missing":
        return SpecProblem(source.position(path[:-1]), path, "is missing")
    if kind == "value_error":
        return SpecProblem(source.position(path), path, str(details["ctx"]["error"]))
    return SpecProblem(source.position(path), path, f"found {shown(details['input'])}, expected {_expected(details)}")


def _as_written(path: Path, source: YamlSource) -> Path:
    """Without the place in a list where the file has no list: one entry may stand for itself."""
    written: Path = ()
    for part in path:
        if not isinstance(part, int) or (*written, part) in source.positions:
            written = (*written, part)
    return written


def shown(value: Any) -> str:
    """A value as the file has it; of a list or a mapping only the kind."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping"
    if value is None:
        return "nothing"
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def nearest(name: str, known: Sequence[str]) -> str:
    """What to say after "is not known here": the nearest known name, or all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; known: {', '.join(known)}" if known else ""


def _expected(details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "too_short":
        return f"at least {details['ctx']['min_length']}"
    if kind == "string_too_long":
        return f"at most {details['ctx']['max_length']} characters"
    return _EXPECTED.get(kind) or details["msg"].removeprefix("Input should be ").removeprefix("a valid ")


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
