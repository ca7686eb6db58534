"""What `submit` says before, between and after: what is to run, how it went, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from sqlalchemy import Engine

from db.reader import SweepRow, TrialRow
from db.store import Registration

if TYPE_CHECKING:
    from orchestrator.sweepfile.expand import ExpandedTrial


def announce(console: Console, sweep: SweepRow, registration: Registration, left: list[TrialRow]) -> None:
    if sweep.question:
        console.print(f"{sweep.name}: {sweep.question}", highlight=False, markup=False, style="bold")
    number = len(registration.trial_ids)
    parts = [f"{number} trial{'s' * (number != 1)}"]
    words = {"new": "new", "unchanged": "unchanged", "removed": "no longer asked for (results are kept)"}
    for name, words_of_it in words.items():
        number = len(getattr(registration, name))
        if number:
            parts.append(f"{number} {words_of_it}")
    num_paused = sum(row.hold is not None for row in left)
    nothing = "" if left else "; nothing is left to do"
    paused = f"; {num_paused} paused, until `rlsweep resume {sweep.name}`" if num_paused else ""
    console.print(f"{', '.join(parts)}; {len(left) - num_paused} to run{nothing}{paused}.", highlight=False)


def warn_of_missing_scores(
    console: Console, engine: Engine, rows: list[TrialRow], *, left: list[TrialRow], trials: Sequence[ExpandedTrial]
) -> None:
    """What a changed file asks of trials that are done is not computed, and must not pass for it."""
    from db.measurements import Measurements
    from orchestrator.unscored import unscored

    to_run = {row.trial_id for row in left}
    done = [(trial, row.step) for trial, row in zip(trials, rows, strict=True) if row.trial_id not in to_run]
    scores = Measurements(engine).scores(trial.science_hash for trial, _ in done)
    for sentence in unscored((trial.spec, step, scores.get(trial.science_hash, {})) for trial, step in done):
        console.print(f"Warning: {sentence}.", highlight=False, markup=False, style="yellow")


def summarise(console: Console, sweep: SweepRow, trials: list[TrialRow], *, seconds: float) -> None:
    from orchestrator.screens.trial_table import duration, summary_line, trial_table

    if not console.is_terminal:  # a terminal has the live table's last state on it
        console.print(trial_table(sweep.name, trials, width=console.width))
    console.print(f"\n{summary_line(trials)} in {duration(seconds)}.", highlight=False)
    for trial in trials:
        if trial.state == "failed":
            reason = trial.message or "it never started; see logs/launch.log in its folder of artifacts"
            console.print(f"Trial {trial.trial_id} failed: {reason}", highlight=False, markup=False, style="red")
        if trial.state == "stopped":
            told = f"Trial {trial.trial_id} was stopped: {trial.message}"
            console.print(told, highlight=False, markup=False, style="magenta")


def conclude(
    console: Console,
    engine: Engine,
    sweep: SweepRow,
    ended: list[TrialRow],
    *,
    interrupted: bool,
    limit: str | None,
) -> None:
    """The fit, if the sweep file asks for one and there is something to fit; then what to type next."""
    from db.errors import SpecError
    from db.reader import Reader
    from orchestrator.fitting import FitOptions, fit_sweep
    from orchestrator.screens.fits.page import render_fit
    from scaling.errors import FitError

    if interrupted:
        console.print("\nStopped. The same command continues from the last checkpoints.", highlight=False)
        return
    if limit and not are_done(ended):
        console.print(
            f"\nStopped at a limit: {limit}. Raise it, and the same command continues from the last checkpoints.",
            highlight=False,
        )
        return
    if sweep.fit_settings is not None and Reader(engine).curve([trial.trial_id for trial in ended]):
        console.print()
        try:
            kept = fit_sweep(engine, sweep, FitOptions())
        except (FitError, SpecError) as error:
            console.print(f"No fit yet: {error}", highlight=False, markup=False)
        else:
            render_fit(kept.fitted.fit, caveats=sweep.caveats, console=console)
    if any(trial.state == "failed" for trial in ended):
        console.print("\nNext: rlsweep show TRIAL; the same command tries again.", highlight=False)
        return
    console.print(f"\nNext: rlsweep plot {sweep.name}   (or: rlsweep fit, status, show TRIAL)", highlight=False)


def are_done(trials: list[TrialRow]) -> bool:
    """Whether every trial is at its last budget, ended by a health gate, or cancelled as asked: nothing less counts."""
    ends = ("stopped", "cancelled")
    return all(trial.state in ends or (trial.state == "succeeded" and trial.share == 1) for trial in trials)
