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
    print_left_out,
    print_sentences,
)
from scaling.wording import short

if TYPE_CHECKING:
    from scaling.data_reuse.results import DataReuseFit, ReuseOfModel
    from scaling.results import Interval

VERDICTS = {"harmful": "harmful", "equivalent": "as good as fresh", "not_settled": "not settled"}


def render(fit: DataReuseFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print a table for each model, what it says in words, and the checks."""
    width = page_width(console)
    head = f" at each tau against tau = 1 on {fit.benchmark} ({fit.protocol}), margin {fit.margin:.0%}"
    console.print(Text.assemble(("Test loss", "bold"), head), width=width)
    for model in fit.models:
        console.print(_table(model), width=width)
        console.print()
    print_sentences(console, [model.summary for model in fit.models], width)
    print_left_out([f"trial {trial}: {reason}" for trial, reason in fit.left_out], console, width)
    console.print()
    print_checks(fit.checks, console, width)
    print_caveats(caveats, console, width)


def _table(model: ReuseOfModel) -> Table:
    table = plain_table(
        ("model", "tau", "pairs", "prompts", "loss", "95% interval", "verdict"), left=("model", "verdict")
    )
    for effect in model.effects:
        table.add_row(
            model.model,
            f"{effect.tau:g}",
            str(effect.num_pairs),
            short(effect.end_x),
            f"{math.expm1(effect.mean):+.1%}",
            _relative(effect.interval),
            VERDICTS[effect.verdict],
        )
    return table


def _relative(interval: Interval | None) -> str:
    """An interval of ln L as one of the loss."""
    return "none" if interval is None else f"{math.expm1(interval.low):+.1%} to {math.expm1(interval.high):+.1%}"
