"""Forecasts on the terminal: predictions, budgets of a loss, and the compute-optimal frontier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.screens.fits.pieces import (
    amount,
    page_width,
    plain_table,
    print_caveats,
    print_checks,
    print_sentences,
    spread,
)
from scaling.axes import X_UNIT
from scaling.results import Check
from scaling.wording import LARGEST, short

if TYPE_CHECKING:
    from scaling.forecasting.results import Budget, Frontier, Predictions


@dataclass(frozen=True)
class Page:
    """What is printed, from top to bottom."""

    headline: str
    table: Table
    sentences: tuple[str, ...]
    checks: tuple[Check, ...]


def show(page: Page, *, caveats: Sequence[str], console: Console) -> None:
    """Print a page."""
    width = page_width(console)
    console.print(Text(page.headline, style="bold"), width=width)
    console.print(page.table, width=width)
    console.print()
    if page.sentences:
        print_sentences(console, page.sentences, width)
        console.print()
    print_checks(page.checks, console, width)
    print_caveats(caveats, console, width)


def prediction_page(made: Predictions) -> Page:
    """Losses of sizes at budgets."""
    unit = X_UNIT[made.x_kind]
    table = plain_table(("N", unit, "loss", "95%, mean curve", "95%, a new run", "label"), left=("label",))
    for each in made.predictions:
        table.add_row(
            short(each.num_params),
            amount(each.x),
            f"{each.loss:.3f}",
            spread(each.mean, digits=3),
            spread(each.new_run, digits=3),
            each.label,
        )
    trained = ", ".join(map(short, made.trained_on))
    headline = f"Forecasts on {made.benchmark} ({made.protocol}), k(N) {made.k_form}, from {trained}"
    return Page(headline, table, (), made.checks)


def budget_page(budgets: Sequence[Budget], x_kind: str) -> Page:
    """Budgets at which sizes reach a loss."""
    table = plain_table(("N", "loss", X_UNIT[x_kind], "95% interval", "label"), left=("label",))
    for each in budgets:
        low = "below what counts" if each.low is None else _budget(each.low)
        high = "open" if each.high is None else _budget(each.high)
        table.add_row(
            short(each.num_params),
            f"{each.loss:g}",
            "never" if each.x is None else _budget(each.x),
            "" if each.x is None else f"{low} to {high}",
            each.label or "",
        )
    checks = tuple(dict.fromkeys(check for each in budgets for check in each.checks))
    return Page("Budgets of a test loss", table, (), checks)


def _budget(x: float) -> str:
    """What is beyond every budget is not told in digits."""
    return amount(x) if x < LARGEST else f"over {amount(LARGEST)}"


def frontier_page(made: Frontier) -> Page:
    """Stretches of budgets, each with its best size."""
    unit = X_UNIT[made.x_kind]
    table = plain_table(("best N", "from", f"to, {unit}", "share of draws", "handed over at", "95% interval"))
    handovers = {each.before: each for each in made.handovers}
    for each in made.stretches:
        low, high = each.lowest_share, each.highest_share
        handover = handovers.get(each.num_params)
        open_ends = handover is None or (handover.low is None and handover.high is None)
        table.add_row(
            short(each.num_params),
            amount(each.from_x),
            amount(each.to_x),
            "unknown" if low is None or high is None else f"{low:.0%} to {high:.0%}",
            "" if handover is None else amount(handover.x) + ("" if handover.is_observed else " (extrapolated)"),
            "" if handover is None or open_ends else f"{_end(handover.low)} to {_end(handover.high)}",
        )
    headline = f"Lowest test loss on {made.benchmark} ({made.protocol}) by budget in {unit}, k(N) {made.k_form}"
    return Page(headline, table, made.summary, made.checks)


def _end(x: float | None) -> str:
    return "open" if x is None else amount(x)
