"""What the pages of all scopes are made of: checks, caveats, hanging lines, and how numbers are written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scaling.results import Check, Interval
from scaling.wording import short

WIDTH = 100


def page_width(console: Console) -> int:
    """Lines are at most 100 columns wide, fewer where the console is narrower."""
    return min(WIDTH, console.width)


def plain_table(columns: Sequence[str], *, left: Iterable[str] = ()) -> Table:
    """A table without lines; columns of numbers, but for those named in `left`."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    return table


def print_sentences(console: Console, sentences: Iterable[str], width: int) -> None:
    """What a researcher can quote, one paragraph each."""
    for sentence in sentences:
        hang(console, Text(""), sentence, width)


def print_checks(checks: Sequence[Check], console: Console, width: int) -> None:
    """Warnings first, then notes; what was looked for and not found is one line."""
    for severity, mark, style in (("warning", "!", "bold yellow"), ("note", "·", "dim")):
        for check in checks:
            if check.severity == severity:
                hang(console, Text(f"{mark} {check.code:7}", style=style), check.message, width)
    passed = dict.fromkeys(check.code for check in checks if check.severity == "ok")
    if passed:
        hang(console, Text("✓ ", style="green"), f"nothing found by {', '.join(passed)}", width)


def print_caveats(caveats: Sequence[str], console: Console, width: int) -> None:
    """What the sweep file says has to stand beside every figure."""
    if caveats:
        console.print()
        console.print(Text("Read with care", style="bold"))
        for caveat in caveats:
            hang(console, Text("• "), caveat, width)


def print_left_out(left_out: Iterable[str], console: Console, width: int) -> None:
    """Runs that take no part, and why."""
    for sentence in left_out:
        hang(console, Text("- ", style="dim"), sentence, width)


def hang(console: Console, lead: Text, message: str, width: int) -> None:
    """Print the message behind its lead, further lines indented by as much."""
    first, *rest = textwrap.wrap(message, width - len(lead), break_on_hyphens=False) or [""]
    console.print(Text.assemble(lead, first))
    for line in rest:
        console.print(Text(" " * len(lead) + line))


def spread(interval: Interval | None, *, digits: int) -> str:
    """An interval, or that there is none."""
    return "none" if interval is None else f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def amount(value: float) -> str:
    """A number of any size in a few characters."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    return short(value) if value >= 1000 else f"{value:.3g}"
