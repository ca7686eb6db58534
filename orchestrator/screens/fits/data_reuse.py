"""A data-reuse fit: every tau against its twins at tau = 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.screens.fits.pieces import (
    page_width,
    plain_table,
    print_caveats,
    print_checks,
    print_sentences,
)
from scaling.wording import short

if TYPE_CHECKING:
    from scaling.data_reuse.results import DataReuseFit, ReuseOfModel
    from scaling.results import Interval

VERDICTS = {"harmful": "harmful", "equivalent": "as good as fresh", "not_settled": "not settled"}


def render(fit: DataReuseFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print a table for each model, what it says in words, and the checks, which name the runs without a twin."""
    width = page_width(console)
    head = f" at each tau against tau = 1 on {fit.benchmark} ({fit.protocol}), margin {fit.margin:.0%}"
    console.print(Text.assemble(("Test loss", "bold"), head), width=width)
    for model in fit.models:
        console.print(_table(model, fit.window), width=width)
        console.print()
    print_sentences(console, [model.summary for model in fit.models], width)
    console.print()
    print_checks(fit.checks, console, width)
    print_caveats(caveats, console, width)


def _table(model: ReuseOfModel, window: float) -> Table:
    """Relative differences of loss: mean over the last evaluations, and at the last one alone, with 95% intervals."""
    columns = ("tau", "pairs", f"last {window:.0%}", "95% interval", "last one", "95% interval", "verdict")
    table = plain_table(columns, left=("verdict",))
    ends = sorted({effect.end_x for effect in model.effects})
    until = " to ".join(map(short, dict.fromkeys((ends[0], ends[-1]))))
    table.title, table.title_justify = Text(f"{model.model}, to the end at {until} prompts", style="none"), "left"
    for effect in model.effects:
        table.add_row(
            f"{effect.tau:g}",
            str(effect.num_pairs),
            f"{math.expm1(effect.mean):+.1%}",
            _relative(effect.interval),
            f"{math.expm1(effect.last):+.1%}",
            _relative(effect.last_interval),
            VERDICTS[effect.verdict],
        )
    return table


def _relative(interval: Interval | None) -> str:
    """An interval of ln L as one of the loss."""
    if interval is None:
        return "none"
    low, high = (100 * math.expm1(end) for end in (interval.low, interval.high))
    return f"{low:+.1f} to {high:+.1f}%"
