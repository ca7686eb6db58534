"""A wrong value as the file has it, and what it was probably meant to be."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from orchestrator.sweepfile.names import closest
from orchestrator.sweepfile.problems import Path

EXAMPLES = {
    "name": "`name: my-sweep`",
    "base": "`base: {preset: paper, model: organisation/name, ...}`",
    "budgets": "`budgets: {unit: samples, at: [51200]}`",
    "evaluations": "`evaluations: [{benchmark: heldout}]`",
}
# The one value that somebody means who writes it in place of the mapping.
_FROM_ONE_VALUE = {"Data": "train", "ModelEntry": "source", "Lora": "rank", "RetryPolicy": "max", "Hook": "url"}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_MOST_SHOWN = 60


def shown(value: Any) -> str:
    """A value as the file has it; of a list or a mapping only the kind."""
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, str):
        short = value if len(value) <= _MOST_SHOWN else f"{value[: _MOST_SHOWN - 3]}..."
        return f"'{short}'" if short.isprintable() else repr(short)
    if isinstance(value, float) and math.isinf(value):
        return "a number that is too large"
    return "nothing" if value is None else json.dumps(value)


def hint(kind: str, value: Any, path: Path, context: Mapping[str, Any]) -> str:
    """What to say after "expected ...". `kind` and `context` are those of pydantic's error."""
    if isinstance(value, list):
        return _of_list(kind, path)
    if isinstance(value, str):
        return _of_text(kind, value, context)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _of_number(kind, value, context)
    return "; put it in brackets: [{...}]" if isinstance(value, dict) and kind in ("list_type", "tuple_type") else ""


def _of_list(kind: str, path: Path) -> str:
    if path[0] == "base" and kind in ("int_type", "float_type", "string_type", "bool_type", "literal_error"):
        name = ".".join(str(part) for part in path[1:])
        return f"; several values are an axis: axes: {{grid: {{{name}: [...]}}}}"
    return ""


def _of_text(kind: str, text: str, context: Mapping[str, Any]) -> str:
    if kind == "literal_error":
        options = re.findall(r"'([^']*)'", context["expected"])
        close = closest(text, options)
        return f"; did you mean '{close}'?" if close and len(options) > 1 else ""
    if kind in ("int_type", "float_type"):
        if _is_number(text):
            return "; take it out of its quotes"
        return f"; write {float(text[:-1]) / 100:g}" if text.endswith("%") and _is_number(text[:-1]) else ""
    if kind == "bool_type" and text.lower() in (*_TRUE, *_FALSE):
        return f"; write {'true' if text.lower() in _TRUE else 'false'}, without quotes"
    return _of_single_value(kind, text, context)


def _of_number(kind: str, number: float, context: Mapping[str, Any]) -> str:
    if kind == "int_type" and isinstance(number, float) and number.is_integer():
        return f"; write {int(number)}"
    if kind == "less_than_equal" and context["le"] == 1 and 2 <= number <= 100:
        return f"; {number:g}% is {number / 100:g}"
    return _of_single_value(kind, number, context)


def _of_single_value(kind: str, value: Any, context: Mapping[str, Any]) -> str:
    # To be copied into the file; what is long, or no terminal should see, is not repeated.
    text = str(value) if len(str(value)) <= _MOST_SHOWN and str(value).isprintable() else "..."
    if kind in ("list_type", "tuple_type"):
        return f"; write [{text}]"
    if kind == "model_type" and context["class_name"] in _FROM_ONE_VALUE:
        return f"; write {{{_FROM_ONE_VALUE[context['class_name']]}: {text}}}"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
