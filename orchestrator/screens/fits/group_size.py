"""A group-size fit: the curve of every group size, and which is the lowest at which budget."""

from __future__ import annotations

from collections.abc import Sequence
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
    print_left_out,
    print_sentences,
)
from scaling.axes import X_UNIT

if TYPE_CHECKING:
    from scaling.group_size.results import GroupSizeFit, GroupSizesOfModel


def render(fit: GroupSizeFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print a table of curves and one of the best, for each model; what they say in words, and the checks."""
    width = page_width(console)
    unit = X_UNIT[fit.x_kind]
    head = f" by group size against {unit} on {fit.benchmark} ({fit.protocol}), estimator {fit.estimator}"
    console.print(Text.assemble(("Test loss", "bold"), head), width=width)
    for model in fit.models:
        console.print(_curves(model, unit), width=width)
        if model.ranges:
            console.print()
            console.print(_best(model, unit), width=width)
        console.print()
    print_sentences(console, [model.summary for model in fit.models], width)
    print_left_out([f"{model}: {reason}" for model, reason in fit.left_out], console, width)
    console.print()
    print_checks(fit.checks, console, width)
    print_caveats(caveats, console, width)


def _curves(model: GroupSizesOfModel, unit: str) -> Table:
    table = plain_table(("model", "G", "runs", "from", f"to, {unit}", "loss", "k"), left=("model",))
    for group in model.groups:
        table.add_row(
            model.model,
            str(group.group_size),
            str(group.num_runs),
            amount(group.x_min),
            amount(group.x_max),
            f"{group.first_loss:.3f} → {group.last_loss:.3f}",
            f"{group.k:.4f}",
        )
    return table


def _best(model: GroupSizesOfModel, unit: str) -> Table:
    table = plain_table(("best G", "from", f"to, {unit}", "share of draws"))
    for best in model.ranges:
        low, high = best.lowest_share, best.highest_share
        sure = "unknown" if low is None or high is None else f"{low:.0%} to {high:.0%}"
        table.add_row(str(best.group_size), amount(best.from_x), amount(best.to_x), sure)
    return table
