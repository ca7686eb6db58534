"""The attempts at a trial: how each ended and why, how far it came, what it cost, and where its log is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.screens.trial_table import duration

_COLUMNS = ("attempt", "state", "steps", "ran", "FLOPs paid", "lost", "host", "engine", "device", "code")
_NUMBERS = ("steps", "ran", "FLOPs paid", "lost")


def attempt_table(attempts: Sequence[Mapping[str, Any]], *, now: datetime) -> RenderableType:
    """A line for each attempt, then what each has to say, and where the newest one's log is.

    Rows are those of the table `attempt`, with the columns of the view `flop_ledger`; `now` is by the database's clock.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in _NUMBERS else "left", no_wrap=name in _NUMBERS)
    for row in attempts:
        table.add_row(*_cells(row, now))
    notes = [Text(f"attempt {row['number']}: {row['message']}") for row in attempts if row["message"]]
    logs = [Text(f"log: {row['log_uri']}") for row in attempts[-1:] if row["log_uri"]]
    return Group(table, *notes, *logs)


def _cells(row: Mapping[str, Any], now: datetime) -> list[str]:
    why = row["failure_class"] or row["outcome"]
    revision = (row["git_revision"] or row["rlsweep_version"] or "")[:10]
    return [
        str(row["number"]),
        f"{row['state']} ({why})" if why else row["state"],
        _steps(row),
        duration(_seconds(row, now)),
        "" if row["paid_flops"] is None else f"{row['paid_flops']:.3g}",
        "" if not row["paid_flops"] or row["lost_flops"] is None else f"{row['lost_flops'] / row['paid_flops']:.0%}",
        row["host"] or "",
        row["engine"] or "",
        row["device"] or "",
        revision + (" (changed)" if row["git_dirty"] else ""),
    ]


def _steps(row: Mapping[str, Any]) -> str:
    """`120 → 180`: the step that it went on from, and its last."""
    start = row["resumed_from_step"]
    if start is None:
        return ""
    return f"{start} → {start + (row['steps'] or 0)}"


def _seconds(row: Mapping[str, Any], now: datetime) -> float | None:
    """From its claim to its end, or to now; of an imported one nobody knows."""
    return None if row["host"] is None else ((row["ended_at"] or now) - row["started_at"]).total_seconds()
