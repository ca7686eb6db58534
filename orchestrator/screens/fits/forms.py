"""The forms of k(N) that a fit compared, side by side, and which of them the data prefer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.screens.fits.pieces import hang, plain_table, print_sentences
from scaling.wording import short

if TYPE_CHECKING:
    from scaling.inter_model.results import InterModelFit
    from scaling.results import Check


def print_forms(fit: InterModelFit, console: Console, width: int) -> None:
    """The table, then what the choice says, or the check of it if that found something; nothing without a choice."""
    if fit.form_choice is None:
        return
    console.print()
    console.print(_table(fit), width=width)
    hang(console, Text("  ", style="dim"), _legend(fit), width)
    console.print()
    found = [check.message for check in fit.checks if tells_of_forms(check)]
    print_sentences(console, found or [fit.form_choice.message], width)


def tells_of_forms(check: Check) -> bool:
    """Whether this finding stands under the table, and so not among the checks."""
    return check.code == "FORM" and check.severity != "ok"


def _table(fit: InterModelFit) -> Table:
    forecast = f"k of {short(fit.training_sizes[-1].num_params)}"
    table = plain_table(
        ("form of k(N)", "numbers", "ΔAICc", "weight", "held-out error", "log-score", forecast), left=("form of k(N)",)
    )
    for form in fit.forms:
        table.add_row(
            f"{form.k_form}{'*' if form.k_form == fit.preferred_form else ''}",
            str(form.num_parameters),
            _written(form.delta_aicc, ".1f"),
            _written(form.akaike_weight, ".2f"),
            _written(form.forecast_error, ".0%"),
            _written(form.log_score, ".2f"),
            _written(form.largest_k_forecast, ".4f"),
        )
    return table


def _legend(fit: InterModelFit) -> str:
    """What the columns are, and what the last one was to hit."""
    marked = ["* preferred"] if fit.preferred_form else []
    if not any(form.forecast_error is not None for form in fit.forms):
        return "; ".join([*marked, "too few sizes to hold any out"])
    largest = fit.training_sizes[-1]
    held_out = "errors, scores and the last column: of sizes from all smaller ones"
    return "; ".join([*marked, held_out, f"k of {short(largest.num_params)} came out as {largest.k:.4f}"])


def _written(value: float | None, digits: str) -> str:
    return "" if value is None else format(value, digits)
