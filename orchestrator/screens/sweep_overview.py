"""A sweep at a glance, however many trials it has: progress by axis, pace, cost against plan, what failed last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from db.progress import FailureRow, SweepProgress
from db.reader import DriverRow, TrialRow
from db.states import FINAL_TRIAL_STATES, TrialState
from orchestrator.screens.estimates import sweep_seconds_left
from orchestrator.screens.plan_units import flops
from orchestrator.screens.trial_table import duration, summary_line, trial_table

_BAR_WIDTH = 16
_MOST_VALUES = 8  # of an axis; seeds by the hundred are no table
_LINES_OF_A_TABLE = 3  # without its rows, with an empty one above


def sweep_overview(
    name: str, trials: Sequence[TrialRow], progress: SweepProgress, *, width: int, height: int
) -> RenderableType:
    """Everything about a sweep that fits into `width` columns and `height` lines.

    Axes that have no room are left out, then trials that run; failures are told first.
    """
    lines = [Text(name, style="bold"), _driver(progress.driver), _totals(trials), _costs(progress), _pace(progress)]
    if progress.failures:
        lines += [Text(), Text("last failures", style="bold"), *map(_failure, progress.failures)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    parts: list[RenderableType] = list(lines)
    room = height - len(lines) - 1  # for the terminal's own
    axes = _that_fit(_values(trials), room)
    if axes:
        parts += [Text(), _axes(axes)]
        room -= 1 + sum(len(values) for values in axes.values())
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if running and room > _LINES_OF_A_TABLE:
        title = f"running ({len(running)})"
        parts += [Text(), trial_table(title, running[: room - _LINES_OF_A_TABLE], width=width)]
    return Group(*parts)


def _driver(driver: DriverRow) -> Text:
    if not driver.is_alive:
        return Text("nobody launches trials of it now: `rlsweep submit` goes on", style="yellow")
    where = f", on the cluster at {driver.cluster}" if driver.cluster else ""
    where += f" as job {driver.job}" if driver.job else ""
    return Text(f"launched by process {driver.pid} on {driver.host}{where}", style="dim")


def _totals(trials: Sequence[TrialRow]) -> Text:
    line = Text.assemble(_bar(trials), "  ", summary_line(trials))
    running = sum(trial.state == TrialState.RUNNING for trial in trials)
    left = sweep_seconds_left([trial for trial in trials if trial.hold is None], max(running, 1)) if running else None
    return line.append(f"; about {duration(left)} left" if left else "")


def _axes(axes: dict[str, dict[str, list[TrialRow]]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for style in ("bold", "", "", "dim"):
        table.add_column(style=style, no_wrap=True)
    for axis, values in axes.items():
        for number, (value, of_value) in enumerate(values.items()):
            done = sum(trial.state in FINAL_TRIAL_STATES for trial in of_value)
            failed = sum(trial.state == TrialState.FAILED for trial in of_value)
            told = f"{done} of {len(of_value)}" + f", {failed} failed" * bool(failed)
            table.add_row("" if number else axis, value, _bar(of_value), told)
    return table


def _that_fit(axes: Iterable[tuple[str, dict[str, list[TrialRow]]]], room: int) -> dict[str, dict[str, list[TrialRow]]]:
    """The first axes that have room, each whole, under an empty line."""
    found: dict[str, dict[str, list[TrialRow]]] = {}
    used = 1
    for axis, values in axes:
        if used + len(values) <= room:
            found[axis] = values
            used += len(values)
    return found


def _values(trials: Sequence[TrialRow]) -> Iterator[tuple[str, dict[str, list[TrialRow]]]]:
    """Axes with more than one value, and few enough for a line each, with the trials of each value."""
    for axis in dict.fromkeys(axis for trial in trials for axis in trial.axes):
        values: dict[str, list[TrialRow]] = {}
        for trial in trials:
            values.setdefault(str(trial.axes.get(axis, "-")), []).append(trial)
        if 1 < len(values) <= _MOST_VALUES:
            yield axis, values


def _bar(trials: Sequence[TrialRow]) -> Text:
    """How much of all budgets is used; what was stopped or cancelled asks for no more."""
    ended = (TrialState.STOPPED, TrialState.CANCELLED)
    shares = [1.0 if trial.state in ended else trial.share or 0.0 for trial in trials]
    share = sum(shares) / len(shares) if shares else 0.0
    filled = round(share * _BAR_WIDTH)
    return Text.assemble(("█" * filled, "green"), ("░" * (_BAR_WIDTH - filled), "dim"), f" {share:4.0%}")


def _costs(progress: SweepProgress) -> Text:
    spent = [f"paid {flops(progress.spent.flops)}{_of_plan(progress.spent.flops, progress.planned_flops)}"]
    if progress.spent.gpu_hours or progress.planned_gpu_hours:
        hours = progress.spent.gpu_hours
        spent.append(f"{hours:,.1f} GPU-hours{_of_plan(hours, progress.planned_gpu_hours)}")
    return Text("; ".join(spent))


def _of_plan(spent: float, planned: float | None) -> str:
    return f" ({spent / planned:.0%} of the plan)" if planned else ""


def _pace(progress: SweepProgress) -> Text:
    pace = progress.pace
    if pace.steps_per_minute is None:
        return Text("no pace yet" if progress.driver.is_alive else "nothing runs", style="dim")
    gpus = f" on {progress.num_gpus:g} GPUs" if progress.num_gpus else ""
    return Text(
        f"{pace.steps_per_minute:,.4g} steps/min, {pace.samples_per_second:,.4g} prompts/s, "
        f"{pace.completion_tokens_per_second:,.0f} completion tokens/s{gpus}",
        style="dim",
    )


def _failure(failure: FailureRow) -> Text:
    ago = f"  {duration(failure.seconds_ago)} ago" if failure.seconds_ago is not None else ""
    told = f"  {failure.message}".partition("\n")[0] if failure.message else ""
    return Text(f"trial {failure.trial_id}, attempt {failure.attempt}  {failure.failure_class}{ago}{told}")
