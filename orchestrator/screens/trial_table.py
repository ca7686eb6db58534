"""The table of a sweep's trials, as `status` prints it and `submit` keeps it up to date."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from db.reader import TrialRow
from db.states import Hold, TrialState

_STYLES = {
    TrialState.RUNNING: "cyan",
    TrialState.SUCCEEDED: "green",
    TrialState.STOPPED: "magenta",
    TrialState.FAILED: "bold red",
    TrialState.RECOVERING: "yellow",
    TrialState.PAUSED: "yellow",
    TrialState.CANCELLED: "dim",
}
# A trial that runs until the end of its step, and what a person then wants.
_ENDING = {Hold.PAUSE: "pausing", Hold.CANCEL: "cancelling"}
_BAR_WIDTH = 12
_WIDTH_WITH_BARS = 100


def trial_table(title: str, trials: Sequence[TrialRow], *, width: int) -> Table:
    """One line a trial: what it is, where it stands, how far it has come and how long it still takes.

    `width` is that of the console in columns; a narrow one gets no bars.
    """
    bar_width = _BAR_WIDTH if width >= _WIDTH_WITH_BARS else 0
    table = Table(title=title, title_justify="left", title_style="bold", pad_edge=False, box=None, padding=(0, 2, 0, 0))
    table.add_column("trial", justify="right")
    table.add_column("model", no_wrap=True)
    table.add_column("seed", justify="right")
    others = other_axes(trials)
    for axis in others:
        table.add_column(axis, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("step", justify="right")
    table.add_column("test loss", no_wrap=True)
    table.add_column("budget used" if bar_width else "used", no_wrap=True)
    table.add_column("left", justify="right")
    for trial in trials:
        table.add_row(
            str(trial.trial_id),
            trial.model,
            "" if trial.seed is None else str(trial.seed),
            *(str(trial.axes.get(axis, "")) for axis in others),
            _state(trial),
            str(trial.step),
            _loss(trial),
            _bar(trial.share, bar_width),
            duration(seconds_left(trial)) if trial.state == TrialState.RUNNING else "",
        )
    return table


def other_axes(trials: Sequence[TrialRow]) -> list[str]:
    """The axes that tell trials apart beside model and seed, which have columns of their own."""
    return list(dict.fromkeys(axis for trial in trials for axis in trial.axes if axis not in ("model", "seed")))


def summary_line(trials: Sequence[TrialRow]) -> str:
    """How many trials are in which state, such as `3 succeeded, 2 running, 3 queued`."""
    states = [state for state in TrialState if any(trial.state == state for trial in trials)]
    return ", ".join(f"{sum(trial.state == state for trial in trials)} {state}" for state in states)


def seconds_left(trial: TrialRow) -> float | None:
    """Training time to the last budget at the trial's own pace; None before its first steps."""
    if trial.train_seconds is None or not trial.share:
        return None
    return trial.train_seconds * (1 - trial.share) / trial.share


def duration(seconds: float | None) -> str:
    """`95` -> `1:35`; None -> nothing."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _state(trial: TrialRow) -> Text:
    style = _STYLES.get(TrialState(trial.state), "")
    if trial.state == TrialState.RUNNING and trial.hold is not None:
        return Text(_ENDING[Hold(trial.hold)], style=style)
    if trial.state == TrialState.RUNNING and trial.phase not in (None, "training"):
        detail = f" ({trial.phase_detail})" if trial.phase_detail else ""
        return Text(f"{trial.phase}{detail}", style=style)
    if trial.state == TrialState.FAILED and trial.failure_class:
        return Text(f"failed ({trial.failure_class})", style=style)
    if trial.state == TrialState.STOPPED and trial.outcome:
        return Text(f"stopped ({trial.outcome})", style=style)
    if trial.attempt is not None and trial.attempt > 1 and trial.state != TrialState.SUCCEEDED:
        return Text(f"{trial.state}, attempt {trial.attempt}", style=style)
    return Text(trial.state, style=style)


def _loss(trial: TrialRow) -> str:
    if trial.first_loss is None or trial.last_loss is None:
        return ""
    return f"{trial.first_loss:.3f} → {trial.last_loss:.3f}"


def _bar(share: float | None, width: int) -> Text:
    """How much of the budget is used; a dash for an imported run, which has none."""
    if share is None:
        return Text("-", style="dim")
    filled = round(share * width)
    bar = Text.assemble(("█" * filled, "green"), ("░" * (width - filled), "dim"), " " if width else "")
    return bar.append(f"{share:4.0%}")
