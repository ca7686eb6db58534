"""Every value of a sweep and where it comes from, a line each or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.sweepfile.resolved import ResolvedValue

if TYPE_CHECKING:
    from rich.text import Text

_MOST_VALUES = 8
_VALUE_WIDTH = 16


def resolved_lines(resolved: Sequence[ResolvedValue]) -> Iterator[Text]:
    """Name, value and origin of each; defaults are dim. Never wrapped or cut: people search these lines."""
    from rich.text import Text

    width = max(len(each.name) for each in resolved)
    for each in resolved:
        line = f"{each.name:<{width}}  {_listed(each.values):<{_VALUE_WIDTH}}  {each.origin}"
        yield Text(line, "dim" if each.origin == "default" else "")


def resolved_json(resolved: Sequence[ResolvedValue]) -> str:
    """A list of values with their `name`, `values`, all that the trials have, and `from`."""
    return json.dumps(
        [
            {"name": each.name, "values": [_plain(value) for value in each.values], "from": each.origin}
            for each in resolved
        ],
        indent=2,
    )


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(_text(_plain(value)) for value in values[:_MOST_VALUES])
    return shown if len(values) <= _MOST_VALUES else f"{shown}, ... ({len(values)} values)"


def _text(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
