"""What `rlsweep checkpoint` prints: checkpoints and their states, how each verified, what is to be deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from db.checkpoints import CheckpointRow
from orchestrator.garbage import REASONS, Garbage
from orchestrator.screens.plan_units import size

_NO_WIDTH = 100_000  # a pipe has no width: its reader wants whole lines
_STYLES = {"missing": "bold red", "deleted": "dim", "superseded": "dim"}


def checkpoint_console() -> Console:
    """Lines are cut on a terminal, and nowhere else."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=_NO_WIDTH)


def print_checkpoints(
    console: Console, rows: Sequence[tuple[CheckpointRow, str]], *, now: datetime, hidden: int
) -> None:
    """One line a checkpoint with its state, and what they take in all; `hidden` deleted ones are only counted."""
    table = _table()
    for name in ("trial", "step", "attempt", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("milestone")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("where", overflow="fold")
    for row, state in rows:
        table.add_row(
            str(row.trial_id),
            str(row.step),
            str(row.attempt),
            size(row.num_bytes),
            "yes" if row.is_milestone else "",
            age((now - row.written_at).total_seconds()),
            Text(state, style=_STYLES.get(state, "")),
            Text(row.uri),
        )
    if rows:
        console.print(table)
    there = [row.num_bytes for row, state in rows if state in ("kept", "superseded")]
    more = f"; {hidden} deleted, not shown (--deleted)" if hidden else ""
    console.print(f"{_counted(len(there))} there, {size(sum(there))}{_others(rows)}{more}.")


def print_verdict(console: Console, row: CheckpointRow, problem: str | None) -> None:
    """One line: a checkpoint is whole, or what is wrong with it."""
    what = Text("whole", "green") if problem is None else Text(problem, "bold red")
    console.print(Text(f"trial {row.trial_id}, step {row.step}, attempt {row.attempt}: ").append_text(what))


def print_garbage(console: Console, garbage: Sequence[Garbage]) -> None:
    """One line for each thing that is to be deleted, and how many for each reason."""
    table = _table()
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why", no_wrap=True)
    table.add_column("where", overflow="fold")
    for each in garbage:
        row = each.checkpoint
        step, num_bytes = ("", "") if row is None else (str(row.step), size(row.num_bytes))
        table.add_row(str(each.trial_id), step, num_bytes, each.reason, Text(each.uri))
    console.print(table)
    for reason, count in Counter(each.reason for each in garbage).items():
        console.print(f"{count} {reason}: {REASONS[reason]}")


def row_as_json(row: CheckpointRow, **more: Any) -> Mapping[str, Any]:
    """A checkpoint as what `json.dumps` takes."""
    return {**vars(row), "written_at": str(row.written_at), "deleted_at": _time(row.deleted_at), **more}


def garbage_as_json(each: Garbage) -> Mapping[str, Any]:
    row = each.checkpoint
    told = {"trial_id": each.trial_id, "uri": each.uri, "reason": each.reason}
    return told | {"step": row and row.step, "num_bytes": row and row.num_bytes}


def age(seconds: float) -> str:
    """`40 s`, `12 min`, `5 h`, `3 days`: the largest unit of which there are two."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _table() -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else str(moment)


def _counted(number: int) -> str:
    return f"{number:,} checkpoint{'s' * (number != 1)}"


def _others(rows: Sequence[tuple[CheckpointRow, str]]) -> str:
    states = Counter(state for _, state in rows)
    return "".join(f"; {states[state]} {state}" for state in ("superseded", "missing", "deleted") if states[state])
