"""An inter-model fit: sizes, law, forms compared, forecasts, checks and caveats, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.screens.fits.forms import print_forms, tells_of_forms
from orchestrator.screens.fits.pieces import amount, hang, page_width, print_caveats, print_checks, spread
from scaling.wording import short

if TYPE_CHECKING:
    from scaling.inter_model.results import Forecast, InterModelFit, Parameter, SizeFit

EXPLAINED_WIDTH = 98
COUNTED_WIDTH = 92
MODE_WORDS = {
    "zero_shot": "no evaluation of it seen",
    "kshot": "first {m} of each run seen",
    "oracle_level": "its own level: no forecast",
    "in_sample": "fitted to it: no forecast",
}
X_WORDS = {
    "samples": "prompts seen", "flops": "model FLOPs", "paper_flops": "FLOPs as arXiv 2509.25300 counts",
    "tokens": "tokens", "steps": "steps", "gpu_hours": "GPU-hours",
}  # fmt: skip


def render(fit: InterModelFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print the fit; lines are at most 100 columns wide, fewer where the console is narrower."""
    width = page_width(console)
    for line in _headline(fit):
        console.print(line, width=width)
    console.print(_size_table(fit, counted=width >= COUNTED_WIDTH), width=width)
    console.print()
    _print_law(fit, console, width)
    print_forms(fit, console, width)
    if fit.forecasts:
        console.print()
        console.print(_forecast_table(fit, explained=width >= EXPLAINED_WIDTH), width=width)
    console.print()
    told = [] if fit.form_choice is None else [check for check in fit.checks if tells_of_forms(check)]
    print_checks([check for check in fit.checks if check not in told], console, width)
    print_caveats(caveats, console, width)


def _headline(fit: InterModelFit) -> list[Text]:
    low = min(size.x_min for size in fit.training_sizes)
    high = max(size.x_max for size in fit.training_sizes)
    what = f" on {fit.benchmark} ({fit.protocol}) against {X_WORDS[fit.x_kind]}, {amount(low)} to {amount(high)}"
    how = f"{fit.num_runs} runs, {fit.num_points} evaluations, estimator {fit.estimator}"
    return [Text.assemble(("Test loss", "bold"), what), Text(how, style="dim")]


def _size_table(fit: InterModelFit, *, counted: bool) -> Table:
    """`counted` adds the number of evaluations, where there is room for it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    counts = ["evaluations"] if counted else []
    for name in ("N", "runs", *counts, "test loss", "k", "95% interval", "k by law", "log-log R²"):
        table.add_column(name, justify="right", no_wrap=True)
    for size in fit.sizes:
        table.add_row(
            short(size.num_params) + ("*" if size.held_out else ""),
            str(len(size.runs)),
            *([str(size.num_evaluations)] if counted else []),
            _losses(size),
            f"{size.k:.4f}",
            spread(size.k_interval, digits=4),
            "" if size.k_law is None else f"{size.k_law:.4f}",
            "" if size.r2 is None else f"{size.r2:.3f}",
        )
    if any(size.held_out for size in fit.sizes):
        table.caption, table.caption_justify = "* held out: not part of the law", "left"
    return table


def _losses(size: SizeFit) -> str:
    start = size.first_loss if size.baseline_loss is None else size.baseline_loss
    return f"{start:.3f} → {size.last_loss:.3f}"


def _print_law(fit: InterModelFit, console: Console, width: int) -> None:
    if fit.law is None:
        hang(console, Text("No law. ", style="bold"), fit.identification.message, width)
        return
    from scaling.laws.k_forms import K_FORMS

    console.print(Text("k(N) = " + K_FORMS[fit.law.k_form].formula, style="bold"), width=width)
    for parameter in fit.law.parameters:
        console.print(_parameter(parameter), width=width)
    lines = _identification(fit)
    if fit.r2 is not None and fit.r2_size_means is not None:
        lines.append(f"pooled R² {fit.r2:.3f}; the means of the sizes alone, with no learning, {fit.r2_size_means:.3f}")
    for line in lines:
        hang(console, Text("  "), line, width)


def _parameter(parameter: Parameter) -> Text:
    text = Text(f"  {parameter.name:5} {amount(parameter.value):>7}")
    if parameter.interval is not None:
        interval = f"   95% {amount(parameter.interval.low)} to {amount(parameter.interval.high)}"
        text.append(interval).append(f"   from {parameter.interval.method}", style="dim")
    if parameter.at_bound:
        text.append("   at the edge of the search box", style="yellow")
    return text


def _identification(fit: InterModelFit) -> list[str]:
    found = fit.identification
    lines = []
    if found.n0_profile is not None:
        low, high = found.n0_profile.low, found.n0_profile.high
        edge = " (touches the search box)" if found.n0_profile_open else ""
        lines.append(f"profile likelihood puts N_0 at {amount(low)} to {amount(high)}{edge}")
    if found.verdict == "kmax_not_identified" and found.kappa is not None:
        between = found.kappa_interval
        interval = f", 95% {between.low:.3g} to {between.high:.3g}" if between else ""
        lines.append(f"kappa = K_max/N_0 = {found.kappa:.3g} per parameter{interval}")
    if found.verdict != "not_saturating":
        lines.append(found.message)
    return lines


def _forecast_table(fit: InterModelFit, *, explained: bool) -> Table:
    """`explained` adds a column that says what each label means, where there is room for it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("forecast of", "mode", "predicted", "95% interval", "seen", "error"):
        table.add_column(name, justify="left" if name in ("forecast of", "mode") else "right", no_wrap=True)
    if explained:
        table.add_column("", no_wrap=True)
    for forecast in fit.forecasts:
        explanation = [Text(_mode_words(forecast), style="dim")] if explained else []
        table.add_row(
            f"{'k' if forecast.quantity == 'k' else 'loss'}, {short(forecast.target_size)}",
            forecast.label,
            f"{forecast.predicted:.4f}" if forecast.quantity == "k" else f"{forecast.predicted:.3f}",
            spread(forecast.interval, digits=4 if forecast.quantity == "k" else 3),
            f"{forecast.actual:.4f}" if forecast.quantity == "k" else f"{forecast.actual:.3f}",
            "" if forecast.relative_error is None else f"{forecast.relative_error:+.1%}",
            *explanation,
            style="" if forecast.mode in ("zero_shot", "kshot") else "dim",
        )
    return table


def _mode_words(forecast: Forecast) -> str:
    return MODE_WORDS[forecast.mode].format(m=forecast.m_shot)
