"""An intra-model fit: which law each run follows, and how well the beginnings of runs tell their ends."""

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
)
from scaling.observations import X_UNIT
from scaling.wording import short

if TYPE_CHECKING:
    from scaling.intra_model.results import IntraModelFit, RunTrajectories

SHOWN_PREFIXES = 9


def render(fit: IntraModelFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print the laws of every run, then the error of the forecast end for every prefix, law by law."""
    width = page_width(console)
    head = f" of single runs against {X_UNIT[fit.x_kind]} on {fit.benchmark} ({fit.protocol})"
    console.print(Text.assemble(("Test loss", "bold"), head), width=width)
    console.print(_laws(fit), width=width)
    for law in fit.laws:
        if not any(each.law == law for run in fit.runs for each in run.forecasts):
            continue
        console.print()
        console.print(
            Text(f"Error of the end as {law} tells it from the first part of the run", style="dim"), width=width
        )
        console.print(_prefixes(fit.runs, law), width=width)
    console.print()
    print_sentences(console, fit.summary, width)
    print_left_out([f"trial {trial}: {reason}" for trial, reason in fit.left_out], console, width)
    console.print()
    print_checks(fit.checks, console, width)
    print_caveats(caveats, console, width)


def _laws(fit: IntraModelFit) -> Table:
    """Akaike differences: 0 is the law that the run follows best."""
    table = plain_table(("trial", "model", "seed", "points", *fit.laws), left=("model",))
    for run in fit.runs:
        found = {each.fit.law: each.delta_aicc for each in run.laws}
        deltas = [found.get(law) for law in fit.laws]
        written = ["" if delta is None else f"{delta:.1f}" for delta in deltas]
        table.add_row(str(run.trial_id), run.model, str(run.seed), str(run.num_evaluations), *written)
    table.caption, table.caption_justify = "AICc above that of the run's best law", "left"
    return table


def _prefixes(runs: Sequence[RunTrajectories], law: str) -> Table:
    shares = sorted({round(each.share, 2) for run in runs for each in run.forecasts if each.law == law})
    step = max(-(-len(shares) // SHOWN_PREFIXES), 1)
    shown = shares[::step]
    table = plain_table(("N", "trial", *(f"{share:.0%}" for share in shown)))
    for run in runs:
        errors = {round(each.share, 2): each.relative_error for each in run.forecasts if each.law == law}
        written = [_error(errors.get(share)) for share in shown]
        table.add_row(short(run.num_params), str(run.trial_id), *written)
    return table


def _error(error: float | None) -> str:
    return "" if error is None else f"{error:+.1%}"
