"""How long a sweep still takes, at the pace seen so far."""

from __future__ import annotations

from collections.abc import Sequence

from db.reader import TrialRow
from db.states import FINAL_TRIAL_STATES
from orchestrator.screens.trial_table import seconds_left


def sweep_seconds_left(trials: Sequence[TrialRow], at_a_time: int) -> float | None:
    """Time to the end of the sweep at the pace seen so far; None until trials of every model have a pace."""
    pace: dict[str, float] = {}
    for trial in trials:
        if trial.train_seconds is not None and trial.share:
            pace[trial.model] = trial.train_seconds / trial.share
    unfinished = [trial for trial in trials if trial.state not in FINAL_TRIAL_STATES]
    if any(trial.model not in pace for trial in unfinished):
        return None
    each = [pace[trial.model] * (1 - (trial.share or 0)) for trial in unfinished]
    longest = max((seconds_left(trial) or 0.0 for trial in unfinished), default=0.0)
    return max(longest, sum(each) / at_a_time)
