"""An intra-model fit: which law each run follows, and how well the beginnings of runs tell their ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.screens.fits.pieces import (
    amount,
    hang,
    page_width,
    plain_table,
    print_caveats,
    print_checks,
    print_left_out,
    print_sentences,
)
from scaling.axes import X_UNIT
from scaling.wording import short

if TYPE_CHECKING:
    from scaling.intra_model.results import IntraModelFit, LawOnRun, RunTrajectories

SHOWN_PREFIXES = 9
MANY_RUNS = 12  # from so many on, a table has a line for each model and not for each run


def render(fit: IntraModelFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print the laws of every run, then the error of the forecast end for every prefix, law by law."""
    width = page_width(console)
    head = f" of single runs against {X_UNIT[fit.x_kind]} on {fit.benchmark} ({fit.protocol})"
    console.print(Text.assemble(("Test loss", "bold"), head), width=width)
    is_long = len(fit.runs) > MANY_RUNS
    groups = _by_model(fit.runs) if is_long else [[run] for run in fit.runs]
    laws = [law for law in fit.laws if any(each.fit.law == law for run in fit.runs for each in run.laws)]
    console.print(_laws(laws, groups), width=width)
    if not is_long:
        _print_best(fit, console, width)
    for law in laws:
        console.print()
        of_runs = ", median of the runs of a model and their quartiles" if is_long else ""
        said = f"Error of the end as {law} tells it from the first part of the run{of_runs}"
        console.print(Text(said, style="dim"), width=width)
        console.print(_prefixes(groups, law, shown=3 if is_long else SHOWN_PREFIXES), width=width)
    if is_long:
        console.print(Text(f"All {len(fit.runs)} runs one by one: --json", style="dim"))
    console.print()
    print_sentences(console, fit.summary, width)
    print_left_out([f"trial {trial}: {reason}" for trial, reason in fit.left_out], console, width)
    console.print()
    print_checks(fit.checks, console, width)
    print_caveats(caveats, console, width)


def _by_model(runs: Iterable[RunTrajectories]) -> list[list[RunTrajectories]]:
    groups: dict[tuple[int, str], list[RunTrajectories]] = {}
    for run in runs:
        groups.setdefault((run.num_params, run.model), []).append(run)
    return list(groups.values())


def _laws(laws: Sequence[str], groups: Sequence[Sequence[RunTrajectories]]) -> Table:
    """Akaike differences: 0 is the law that the run follows best."""
    single = all(len(group) == 1 for group in groups)
    lead = ("trial", "model", "seed", "points") if single else ("model", "runs", "points")
    table = plain_table((*lead, *laws), left=("model",))
    for group in groups:
        first, points = group[0], str(round(median(run.num_evaluations for run in group)))
        deltas = [
            [
                each.delta_aicc
                for run in group
                for each in run.laws
                if each.fit.law == law and each.delta_aicc is not None
            ]
            for law in laws
        ]
        written = [f"{median(found):.1f}" if found else "" for found in deltas]
        if single:
            seed = "-" if first.seed < 0 else str(first.seed)  # an imported run's may not be known
            table.add_row(str(first.trial_id), first.model, seed, points, *written)
        else:
            table.add_row(first.model, str(len(group)), points, *written)
    median_of = "" if single else ", median of its runs"
    table.caption, table.caption_justify = f"AICc above that of the run's best law{median_of}", "left"
    return table


def _print_best(fit: IntraModelFit, console: Console, width: int) -> None:
    """The numbers of the law that each run follows best, with their intervals."""
    console.print()
    for run in fit.runs:
        if run.laws and run.laws[0].aicc is not None:
            lead = Text(f"  {run.model}, trial {run.trial_id}: {run.laws[0].fit.law}  ", style="dim")
            hang(console, lead, ", ".join(_numbers(run.laws[0])), width)


def _numbers(law: LawOnRun) -> list[str]:
    found = []
    for name, value in law.fit.parameters.items():
        interval = law.intervals[name]
        between = "" if interval is None else f" ({_number(interval.low)} to {_number(interval.high)})"
        found.append(f"{name} {_number(value)}{between}")
    return found


def _number(value: float) -> str:
    return amount(value) if value >= 1000 else f"{value:.3g}"


def _prefixes(groups: Sequence[Sequence[RunTrajectories]], law: str, *, shown: int) -> Table:
    """The error at some shares of the run; of several runs their median, and the quartiles from four on."""
    runs = [run for group in groups for run in group]
    shares = sorted({round(each.share, 2) for run in runs for each in run.forecasts if each.law == law})
    shown_shares = shares[:: max(-(-len(shares) // shown), 1)]
    single = all(len(group) == 1 for group in groups)
    table = plain_table(("N", "trial" if single else "runs", *(f"{share:.0%}" for share in shown_shares)))
    for group in groups:
        errors = [_errors_at(group, law, share) for share in shown_shares]
        second = str(group[0].trial_id) if single else str(len(group))
        table.add_row(short(group[0].num_params), second, *map(_error, errors))
    return table


def _errors_at(group: Sequence[RunTrajectories], law: str, share: float) -> list[float]:
    return [
        each.relative_error
        for run in group
        for each in run.forecasts
        if each.law == law and round(each.share, 2) == share and each.relative_error is not None
    ]


def _error(errors: Sequence[float]) -> str:
    if not errors:
        return ""
    if len(errors) < 4:
        return f"{median(errors):+.1%}"
    low, middle, high = quantiles(errors, n=4, method="inclusive")
    return f"{middle:+.1%} ({low:+.1%} to {high:+.1%})"
