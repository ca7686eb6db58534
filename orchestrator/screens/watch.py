"""What is shown while a sweep runs: a live table on a terminal, else a line whenever a trial changes.

A database that is away is waited for, however long: the trials go on without it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from db.connection.outage import wait_for_database
from db.progress import ProgressReader
from db.reader import Reader, SweepRow, TrialRow
from db.states import FINAL_TRIAL_STATES, TrialState
from orchestrator.screens.estimates import sweep_seconds_left
from orchestrator.screens.sweep_overview import sweep_overview
from orchestrator.screens.trial_table import duration, other_axes, summary_line, trial_table

T = TypeVar("T")

_REFRESH_SECONDS = 1.0
_QUARTERS = 4
_DRAINING = "Stopping: trials save at the end of their step. Ctrl-C again stops at once."


def watch_sweep(
    reader: Reader, finished: threading.Event, *, sweep_id: int, title: str, at_a_time: int, console: Console
) -> None:
    """Show the sweep until `finished` is set."""
    if console.is_terminal:
        _watch_live(reader, sweep_id=sweep_id, title=title, at_a_time=at_a_time, console=console, finished=finished)
    else:
        _watch_by_lines(reader, sweep_id, console, finished)


def watch_overview(
    reader: Reader, progress: ProgressReader, sweep: SweepRow, *, console: Console, interval: float
) -> None:
    """Show how a sweep does, whoever runs it, until every trial has an end or Ctrl-C is pressed.

    Where the output is no terminal, it is printed once.
    """

    def look() -> tuple[RenderableType, bool]:
        trials = _waiting(lambda: reader.trials(sweep.id), console)
        seen = _waiting(progress.read, console)
        has_ended = all(trial.state in FINAL_TRIAL_STATES for trial in trials)
        return sweep_overview(sweep.name, trials, seen, width=console.width, height=console.height), has_ended

    picture, has_ended = look()
    if not console.is_terminal:
        console.print(picture)
        return
    with Live(picture, console=console, auto_refresh=False) as live, suppress(KeyboardInterrupt):
        while not has_ended:
            time.sleep(interval)
            picture, has_ended = look()
            live.update(picture, refresh=True)
    console.print("Every trial has an end." if has_ended else "It goes on; this was only watching.", style="dim")


def _watch_live(
    reader: Reader, *, sweep_id: int, title: str, at_a_time: int, console: Console, finished: threading.Event
) -> None:
    started = time.monotonic()

    def picture() -> Group:
        trials = _waiting(lambda: reader.trials(sweep_id), console)
        left = sweep_seconds_left(trials, at_a_time)
        line = f"{summary_line(trials)};  {duration(time.monotonic() - started)} elapsed"
        if left is not None:
            line += f", about {duration(left)} left"
        return Group(
            trial_table(title, trials, width=console.width), Text(f"{line}.  Ctrl-C saves and stops.", style="dim")
        )

    with Live(picture(), console=console, auto_refresh=False) as live:
        while not finished.wait(_REFRESH_SECONDS):
            live.update(picture(), refresh=True)
        live.update(picture(), refresh=True)


def _watch_by_lines(reader: Reader, sweep_id: int, console: Console, finished: threading.Event) -> None:
    shown: dict[int, tuple[object, ...]] = {}
    said_draining = False
    while True:
        last = finished.wait(_REFRESH_SECONDS)
        if not said_draining and _waiting(lambda: reader.is_draining(sweep_id), console):
            said_draining = True
            console.print(_DRAINING, highlight=False)
        for trial in _waiting(lambda: reader.trials(sweep_id), console):
            news = (trial.state, trial.attempt, trial.phase, int((trial.share or 0) * _QUARTERS))
            if trial.trial_id in shown and shown[trial.trial_id] != news:
                console.print(_line(trial), highlight=False, soft_wrap=True)
            shown[trial.trial_id] = news
        if last:
            return


def _waiting(read: Callable[[], T], console: Console) -> T:
    def say(what: str) -> None:
        console.print(what, style="yellow", highlight=False, markup=False, soft_wrap=True)

    return wait_for_database(read, say=say, limit_seconds=math.inf)


def _line(trial: TrialRow) -> str:
    what = trial.phase if trial.state == TrialState.RUNNING and trial.phase else trial.state
    loss = "" if trial.last_loss is None else f", test loss {trial.last_loss:.3f}"
    others = "".join(f", {axis} {trial.axes[axis]}" for axis in other_axes([trial]))
    return f"trial {trial.trial_id} ({trial.model}, seed {trial.seed}{others}): {what}, step {trial.step}{loss}"
