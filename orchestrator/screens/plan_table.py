"""A sweep's plan on a terminal: a row for each kind of trial, what all of them come to, and what to beware of.

It fits into 80 columns; a terminal of 120 shows the layout of each trial too. `--json` has everything.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.planning.gpus import GIGABYTE
from orchestrator.planning.kind_plan import KindPlan
from orchestrator.planning.plan import SweepPlan
from orchestrator.planning.trial_plan import PlannedKind
from orchestrator.screens.plan_totals import totals_of
from orchestrator.screens.plan_units import flops, short_interval

MOST_ROWS = 60
_WIDE = 120
_LAYOUT = ("nodes", "micro-batch x accumulation", "sleep", "GB/GPU")


def print_plan(plan: SweepPlan, console: Console) -> None:
    """Print the table, the totals and the warnings."""
    if plan.question:
        console.print(Text(f"{plan.name}: {plan.question}", style="bold"))
    console.print(_table(plan, is_wide=console.width >= _WIDE))
    if len(plan.kinds) > MOST_ROWS:
        console.print(Text(f"... and {len(plan.kinds) - MOST_ROWS:,} more kinds; --json has them all", style="dim"))
    console.print()
    console.print(_totals(plan))
    for warning in plan.warnings:
        console.print(Text(f"Warning: {warning}.", style="yellow"))


def _table(plan: SweepPlan, *, is_wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("trials of", overflow="fold")
    table.add_column("trials" if plan.totals.done == 0 else "to run", justify="right", no_wrap=True)
    table.add_column("GPUs", justify="right", no_wrap=True)
    for name in _LAYOUT if is_wide else ():
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("FLOPs each", justify="right", no_wrap=True)
    table.add_column("GPU-hours each", justify="right", no_wrap=True)
    for kind in plan.kinds[:MOST_ROWS]:
        table.add_row(*_cells(kind, is_wide=is_wide))
    return table


def _cells(kind: PlannedKind, *, is_wide: bool) -> Iterator[Text]:
    plan = kind.plan
    number = str(len(kind.trials)) if kind.num_left == len(kind.trials) else f"{kind.num_left} of {len(kind.trials)}"
    yield Text(plan.kind.label)
    yield Text(number)
    yield Text(_place(plan))
    if is_wide:
        yield from _layout(plan)
    yield Text(f"{plan.last.steps:,}" if plan.last.steps < 10_000_000 else f"{plan.last.steps:.0e}")
    yield Text(flops(plan.flops.total))
    yield _hours(plan)


def _place(plan: KindPlan) -> str:
    """`8, TP 2`, which is tensor parallelism; `1/2` where two trials share a GPU; `CPU`."""
    if plan.on_gpus is None:
        return "CPU"
    placement, shared_by = plan.on_gpus.placement, plan.kind.spec.execution.trials_per_gpu
    number = f"1/{shared_by}" if shared_by > 1 else f"{placement.gpus}"
    return number if placement.tensor_parallel == 1 else f"{number}, TP {placement.tensor_parallel}"


def _layout(plan: KindPlan) -> Iterator[Text]:
    """The cells of `_LAYOUT`; the memory is that of the fuller of the two phases."""
    if plan.on_gpus is None:
        yield from (Text("–", style="dim") for _ in _LAYOUT)
        return
    placement = plan.on_gpus.placement
    yield Text(f"{placement.nodes}")
    yield Text(f"{placement.micro_batch} x {placement.accumulation}")
    yield Text("yes" if placement.sleep_mode else "no")
    yield Text(f"{max(placement.training.total, placement.generation.total) / GIGABYTE:.0f}")


def _hours(plan: KindPlan) -> Text:
    return Text("–", style="dim") if plan.gpu_hours is None else Text(short_interval(plan.gpu_hours))


def _totals(plan: SweepPlan) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in totals_of(plan):
        table.add_row(name, Text(value))
    return table
