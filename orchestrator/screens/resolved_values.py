"""Every value of a sweep and where it comes from, as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.sweepfile.resolved import ResolvedValue

if TYPE_CHECKING:
    from rich.table import Table

_MOST_VALUES = 8


def resolved_table(resolved: Sequence[ResolvedValue]) -> Table:
    """A row for each value; defaults are dim."""
    from rich.table import Table
    from rich.text import Text

    table = Table("value of", "is", "from", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for each in resolved:
        style = "dim" if each.origin == "default" else ""
        table.add_row(Text(each.name, style), Text(_listed(each.values), style), Text(each.origin, style))
    return table


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(_text(value) for value in values[:_MOST_VALUES])
    return shown if len(values) <= _MOST_VALUES else f"{shown}, ... ({len(values)} values)"


def _text(value: Any) -> str:
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
