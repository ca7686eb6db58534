"""What the pages of all scopes are made of: checks, caveats, hanging lines, and how numbers are written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scaling.results import Check, Interval
from scaling.wording import short

WIDTH = 100
# Notes that stand beside nearly every fit: their first sentence says what they are; the report has them whole.
STANDING = {"SEEDS", "LR", "ORDER", "WINDOW", "F13"}
amount = short


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
    """Warnings first, then notes, those last that stand beside nearly every fit; then what found nothing, in one line.

    What one check found stays together. A code that found something anywhere is not said to have found nothing.
    """
    places = {code: place for place, code in enumerate(dict.fromkeys(check.code for check in checks))}
    for check in sorted(checks, key=lambda each: places[each.code]):
        if check.severity == "warning":
            hang(console, Text(f"! {check.code:7}", style="bold yellow"), check.message, width)
    for check in sorted(checks, key=lambda each: (each.code in STANDING, places[each.code])):
        if check.severity == "note":
            said = first_sentence(check.message) if check.code in STANDING else check.message
            hang(console, Text(f"· {check.code:7}", style="dim"), said, width)
    if passed := found_nothing((check.code, check.severity) for check in checks):
        hang(console, Text("✓ ", style="green"), f"nothing found by {', '.join(passed)}", width)


def found_nothing(checks: Iterable[tuple[str, str]]) -> list[str]:
    """Of pairs of code and severity, the codes that are ok wherever they looked, in order."""
    severities: dict[str, set[str]] = {}
    for code, severity in checks:
        severities.setdefault(code, set()).add(severity)
    return [code for code, found in severities.items() if found == {"ok"}]


def first_sentence(message: str) -> str:
    """Up to the first full stop that ends a sentence."""
    return re.split(r"(?<=\.) (?=[A-Z])", message, maxsplit=1)[0]


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
