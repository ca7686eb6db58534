"""A transfer fit: gain or damage of every model on every benchmark."""

from __future__ import annotations

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
    spread,
)
from scaling.wording import short

if TYPE_CHECKING:
    from scaling.transfer.results import Transfer, TransferFit


def render(fit: TransferFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print one table of all benchmarks, what it says in words, and the checks."""
    width = page_width(console)
    base = "no benchmark in domain" if fit.in_domain is None else f"in domain: {fit.in_domain[0]} ({fit.in_domain[1]})"
    console.print(Text.assemble(("Test loss", "bold"), f" before and after training; {base}"), width=width)
    console.print(_table(fit.transfers), width=width)
    console.print()
    print_sentences(console, fit.summary, width)
    left_out = [f"trial {trial} on {name} ({protocol}): {why}" for trial, name, protocol, why in fit.left_out]
    print_left_out(left_out, console, width)
    console.print()
    print_checks(fit.checks, console, width)
    print_caveats(caveats, console, width)


def _table(transfers: Sequence[Transfer]) -> Table:
    columns = ("benchmark", "model", "N", "runs", "loss", "gain", "95% interval", "damage")
    table = plain_table(columns, left=("benchmark", "model"))
    for each in transfers:
        is_damaged = each.damage is not None and each.damage.is_found
        table.add_row(
            each.benchmark,
            each.model,
            short(each.num_params),
            str(len(each.runs)),
            f"{each.first_loss:.3f} → {each.last_loss:.3f}",
            f"{each.gain.value:+.3f}",
            spread(each.gain.interval, digits=3),
            f"{each.damage.rise:+.1%}" if each.damage is not None and is_damaged else "",
        )
    return table
