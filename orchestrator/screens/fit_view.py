"""A fit on the terminal: sizes, law, forecasts, checks and caveats, in 100 columns and in that order.

Warnings come before notes, and what was looked for and not found is one line. `fit_as_json` carries the same content
for a program. Nothing is computed here that the fit does not hold.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scaling.wording import short

if TYPE_CHECKING:
    from scaling.inter_model.results import Forecast, InterModelFit, Parameter, SizeFit
    from scaling.results import Interval

WIDTH = 100
EXPLAINED_WIDTH = 98
COUNTED_WIDTH = 92
MODE_WORDS = {
    "zero_shot": "no evaluation of it seen",
    "kshot": "first {m} of each run seen",
    "oracle_level": "its own level: no forecast",
    "in_sample": "fitted to it: no forecast",
}
X_WORDS = {"samples": "prompts seen", "flops": "model FLOPs", "tokens": "tokens", "steps": "steps"}


def render_fit(fit: InterModelFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print the fit; lines are at most 100 columns wide, fewer where the console is narrower."""
    width = min(WIDTH, console.width)
    for line in _headline(fit):
        console.print(line, width=width)
    console.print(_size_table(fit, counted=width >= COUNTED_WIDTH), width=width)
    console.print()
    _print_law(fit, console, width)
    if fit.forecasts:
        console.print()
        console.print(_forecast_table(fit, explained=width >= EXPLAINED_WIDTH), width=width)
    console.print()
    _print_checks(fit, console, width)
    if caveats:
        console.print()
        console.print(Text("Read with care", style="bold"))
        for caveat in caveats:
            _hang(console, Text("• "), caveat, width)


def fit_as_json(fit: InterModelFit, caveats: Sequence[str]) -> dict[str, Any]:
    """The fit as what `json.dumps` takes; points are counted by role, draws left in the database."""
    content = asdict(fit)
    for parameter in content["law"]["parameters"] if content["law"] else ():
        del parameter["draws"]
    roles = [point["role"] for point in content.pop("points")]
    content["evaluations_by_role"] = {role: roles.count(role) for role in sorted(set(roles))}
    for forecast, plain in zip(fit.forecasts, content["forecasts"], strict=True):
        plain |= {
            "label": forecast.label,
            "relative_error": forecast.relative_error,
            "covered": forecast.covered,
        }
    content["caveats"] = list(caveats)
    finite: dict[str, Any] = _finite(content)
    return finite


def _headline(fit: InterModelFit) -> list[Text]:
    low = min(size.x_min for size in fit.training_sizes)
    high = max(size.x_max for size in fit.training_sizes)
    what = f" on {fit.benchmark} ({fit.protocol}) against {X_WORDS[fit.x_kind]}, {_amount(low)} to {_amount(high)}"
    how = f"{fit.num_runs} runs, {fit.num_points} evaluations, estimator {fit.estimator}"
    return [Text.assemble(("Test loss", "bold"), what), Text(how, style="dim")]


def _size_table(fit: InterModelFit, *, counted: bool) -> Table:
    """`counted` adds the number of evaluations, where there is room for it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    counts = ["evaluations"] if counted else []
    for name in ("N", "seeds", *counts, "test loss", "k", "95% interval", "k by law", "log-log R²"):
        table.add_column(name, justify="right", no_wrap=True)
    for size in fit.sizes:
        table.add_row(
            short(size.num_params) + ("*" if size.held_out else ""),
            str(len(size.runs)),
            *([str(size.num_evaluations)] if counted else []),
            _losses(size),
            f"{size.k:.4f}",
            _range(size.k_interval, digits=4),
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
        _hang(console, Text("No law. ", style="bold"), fit.identification.message, width)
        return
    from scaling.laws.k_forms import K_FORMS

    console.print(Text("k(N) = " + K_FORMS[fit.law.k_form].formula, style="bold"), width=width)
    for parameter in fit.law.parameters:
        console.print(_parameter(parameter), width=width)
    lines = _identification(fit)
    if fit.r2 is not None and fit.r2_size_means is not None:
        lines.append(f"pooled R² {fit.r2:.3f}; the means of the sizes alone, with no learning, {fit.r2_size_means:.3f}")
    for line in lines:
        _hang(console, Text("  "), line, width)


def _parameter(parameter: Parameter) -> Text:
    text = Text(f"  {parameter.name:5} {_amount(parameter.value):>7}")
    if parameter.interval is not None:
        interval = f"   95% {_amount(parameter.interval.low)} to {_amount(parameter.interval.high)}"
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
        lines.append(f"profile likelihood puts N_0 at {_amount(low)} to {_amount(high)}{edge}")
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
            _range(forecast.interval, digits=4 if forecast.quantity == "k" else 3),
            f"{forecast.actual:.4f}" if forecast.quantity == "k" else f"{forecast.actual:.3f}",
            "" if forecast.relative_error is None else f"{forecast.relative_error:+.1%}",
            *explanation,
            style="" if forecast.mode in ("zero_shot", "kshot") else "dim",
        )
    return table


def _mode_words(forecast: Forecast) -> str:
    return MODE_WORDS[forecast.mode].format(m=forecast.m_shot)


def _print_checks(fit: InterModelFit, console: Console, width: int) -> None:
    for severity, mark, style in (("warning", "!", "bold yellow"), ("note", "·", "dim")):
        for check in fit.checks:
            if check.severity == severity:
                _hang(console, Text(f"{mark} {check.code:7}", style=style), check.message, width)
    passed = dict.fromkeys(check.code for check in fit.checks if check.severity == "ok")
    if passed:
        _hang(console, Text("✓ ", style="green"), f"nothing found by {', '.join(passed)}", width)


def _hang(console: Console, lead: Text, message: str, width: int) -> None:
    """Print the message behind its lead, further lines indented by as much."""
    first, *rest = textwrap.wrap(message, width - len(lead), break_on_hyphens=False)
    console.print(Text.assemble(lead, first))
    for line in rest:
        console.print(Text(" " * len(lead) + line))


def _range(interval: Interval | None, *, digits: int) -> str:
    return "none" if interval is None else f"{interval.low:.{digits}f} to {interval.high:.{digits}f}"


def _amount(value: float) -> str:
    if value >= 1e15:
        return f"{value:.3g}"
    return short(value) if value >= 1000 else f"{value:.3g}"


def _finite(value: Any) -> Any:
    """Numbers that JSON has no word for become None."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
