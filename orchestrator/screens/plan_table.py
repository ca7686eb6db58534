"""A sweep's plan on a terminal: a row for each kind of trial, what all of them come to, and what to beware of.

It fits into 80 columns; a terminal of 120 shows the layout of each trial too. `--json` has everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.planning.kind_plan import KindPlan
from orchestrator.planning.plan import SweepPlan
from orchestrator.planning.trial_plan import PlannedKind
from orchestrator.screens.plan_totals import totals_of
from orchestrator.screens.plan_units import digits, flops, short_interval
from workers.gpus import GIGABYTE

MOST_ROWS = 60
_WIDE = 120
_BETWEEN = 2  # blanks between columns
_NONE = "–"
_CUT = ".."
_SHORTEST_PART = 4
_LAYOUT = ("nodes", "micro-batch x accumulation", "sleep", "GB/GPU")


def print_plan(plan: SweepPlan, console: Console) -> None:
    """Print the table, the totals and the warnings."""
    if plan.question:
        console.print(Text(f"{plan.name}: {plan.question}", style="bold"))
    console.print(_table(plan, width=console.width))
    if len(plan.kinds) > MOST_ROWS:
        console.print(Text(f"... and {len(plan.kinds) - MOST_ROWS:,} more kinds; --json has them all", style="dim"))
    console.print()
    console.print(_totals(plan))
    for warning in plan.warnings:
        console.print(Text(f"Warning: {warning}.", style="yellow"))


def _table(plan: SweepPlan, *, width: int) -> Table:
    """A line for each kind. Where there is no room, names are shortened, then GPU-hours have no interval."""
    kinds, is_wide = plan.kinds[:MOST_ROWS], width >= _WIDE
    full, short = ([getattr(kind.plan.kind, label) for kind in kinds] for label in ("label", "short_label"))
    for names, has_interval in ((full, True), (short, True), (full, False), (short, False)):
        headings = _headings(plan, is_wide=is_wide, has_interval=has_interval)
        rows = [list(_cells(kind, is_wide=is_wide, has_interval=has_interval)) for kind in kinds]
        taken = [max(map(len, column)) for column in zip(headings[1:], *rows, strict=True)]
        room = width - sum(taken) - _BETWEEN * (len(taken) + 1)
        if max(map(len, names)) <= room:
            break
    table = Table(box=None, pad_edge=False, padding=(0, _BETWEEN, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="left" if heading is headings[0] else "right", no_wrap=True)
    for name, row in zip(within(names, room), rows, strict=True):
        table.add_row(Text(name), *(Text(cell, style="dim" if cell == _NONE else "") for cell in row))
    return table


def within(names: Sequence[str], room: int) -> list[str]:
    """Names in at most `room` characters each, cut so that they still differ, if that is possible."""
    for cutting in (_cut_longest, _cut_first):
        shorter = [cutting(name.split(", "), room) for name in names]
        if len(set(shorter)) == len(set(names)):
            break
    return shorter


def _cut_longest(parts: list[str], room: int) -> str:
    """Cuts whatever is longest between the commas."""
    while _length(parts) > room and max(map(len, parts)) > _SHORTEST_PART:
        longest = max(range(len(parts)), key=lambda position: len(parts[position]))
        parts[longest] = _cut(parts[longest], len(parts[longest]) - 1)
    return _cut(", ".join(parts), room)


def _cut_first(parts: list[str], room: int) -> str:
    """Cuts what is before the first comma, then what is before the next."""
    for position, part in enumerate(parts):
        parts[position] = _cut(part, max(len(part) - max(_length(parts) - room, 0), _SHORTEST_PART))
    return _cut(", ".join(parts), room)


def _length(parts: Sequence[str]) -> int:
    return sum(map(len, parts)) + 2 * (len(parts) - 1)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text.removesuffix(_CUT)[: max(room - len(_CUT), 1)].rstrip()}{_CUT}"


def _headings(plan: SweepPlan, *, is_wide: bool, has_interval: bool) -> list[str]:
    trials = "trials" if plan.totals.done == 0 else "to run"
    hours = "GPU-hours each" if has_interval else "GPU-hours"
    return ["trials of", trials, "GPUs", *(_LAYOUT if is_wide else ()), "steps", "FLOPs each", hours]


def _cells(kind: PlannedKind, *, is_wide: bool, has_interval: bool) -> Iterator[str]:
    """All but the name."""
    plan = kind.plan
    yield str(len(kind.trials)) if kind.num_left == len(kind.trials) else f"{kind.num_left} of {len(kind.trials)}"
    yield _place(plan)
    if is_wide:
        yield from _layout(plan)
    yield f"{plan.last.steps:,}" if plan.last.steps < 10_000_000 else f"{plan.last.steps:.0e}"
    yield flops(plan.flops.total)
    if plan.gpu_hours is None:
        yield _NONE
    else:
        yield short_interval(plan.gpu_hours) if has_interval else digits(plan.gpu_hours.central)


def _place(plan: KindPlan) -> str:
    """`8, TP 2`, which is tensor parallelism; `4 + 2` with a server; `1/2` where two trials share a GPU; `CPU`."""
    if plan.on_gpus is None:
        return "CPU"
    placement, shared_by = plan.on_gpus.placement, plan.kind.spec.execution.trials_per_gpu
    number = f"1/{shared_by}" if shared_by > 1 else f"{placement.gpus}"
    if placement.server_gpus:
        return f"{number} + {placement.server_gpus}"
    return number if placement.tensor_parallel == 1 else f"{number}, TP {placement.tensor_parallel}"


def _layout(plan: KindPlan) -> Iterator[str]:
    """The cells of `_LAYOUT`; the memory is that of the fuller of the two phases."""
    if plan.on_gpus is None:
        yield from (_NONE for _ in _LAYOUT)
        return
    placement = plan.on_gpus.placement
    yield f"{placement.nodes}"
    yield f"{placement.micro_batch} x {placement.accumulation}"
    yield "yes" if placement.sleep_mode else "no"
    yield f"{placement.peak_bytes / GIGABYTE:.0f}"


def _totals(plan: SweepPlan) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in totals_of(plan):
        table.add_row(name, Text(value))
    return table
