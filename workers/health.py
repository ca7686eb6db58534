"""Watching a trial's health: gates over its step rows, and whether it moves at all.

A gate is passed when it has been for several steps in a row; a step that did not measure what a gate asks neither
passes it nor counts against it. What ends a trial here is a result with a name and not a failure: the recipe did it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from db.errors import UnhealthyTrial
from workers.spec import Health

# What a gate watches in a step's row, and the name of the outcome; `max_` gates hold above, `min_` gates below.
_GATES = {
    "max_kl": ("kl", "kl_blow_up"),
    "min_entropy": ("entropy", "entropy_collapse"),
    "max_gradient_norm": ("gradient_norm", "gradient_blow_up"),
    "max_truncated_share": ("truncated_share", "truncation"),
    "max_zero_variance_share": ("zero_variance_share", "no_learning_signal"),
    "max_logprob_difference": ("sampling_logprob_difference", "engine_mismatch"),
}
REWARD_COLLAPSE = "reward_collapse"
WATCHED = ("reward", *(column for column, _ in _GATES.values()))


@dataclass
class HealthGates:
    """The gates of a trial and what they have seen; rows are mappings or records with the columns of `WATCHED`."""

    health: Health
    passed: dict[str, int] = field(default_factory=dict)  # by outcome: in how many steps in a row
    rewards: list[float] = field(default_factory=list)
    outcome: str | None = None  # of the first gate that ends the trial

    @classmethod
    def after(cls, health: Health, rows: Iterable[Mapping[Any, Any]]) -> HealthGates:
        """As they stand after the steps that an earlier attempt took, so that being interrupted changes nothing."""
        gates = cls(health)
        for row in rows:
            gates.look(row)
        return gates

    def look(self, row: Mapping[Any, Any]) -> None:
        """Take in the next step."""
        for name, (column, outcome) in _GATES.items():
            limit, value = getattr(self.health, name), _known(row[column])
            if limit is None or value is None:
                continue
            is_past = value > limit if name.startswith("max_") else value < limit
            self.passed[outcome] = self.passed.get(outcome, 0) + 1 if is_past else 0
        reward = _known(row["reward"])
        if reward is not None:
            self.rewards.append(reward)
        ended = [outcome for outcome, steps in self.passed.items() if steps >= self.health.patience_steps]
        self.outcome = next(iter(ended), REWARD_COLLAPSE if self._reward_has_collapsed() else None)

    def end_the_unhealthy(self, step: int) -> None:
        """Raise UnhealthyTrial, naming the gate, where one has ended the trial; `step` is its last."""
        if self.outcome is not None:
            gate = next((name for name, (_, outcome) in _GATES.items() if outcome == self.outcome), "max_reward_drop")
            limit, patience = getattr(self.health, gate), self.health.patience_steps
            raise UnhealthyTrial(
                f"{self.outcome}: health.{gate} {limit:g} was passed in {patience} steps in a row, the last of them "
                f"step {step}. Its checkpoint is kept; move the gate, or take it away, to go on from there.",
                self.outcome,
            )

    def _reward_has_collapsed(self) -> bool:
        allowed, steps = self.health.max_reward_drop, self.health.patience_steps
        if allowed is None or len(self.rewards) < 2 * steps:
            return False
        windows = [fmean(self.rewards[end - steps : end]) for end in range(steps, len(self.rewards) + 1)]
        return windows[-1] < (1 - allowed) * max(windows)


def _known(value: float | None) -> float | None:
    """None for NaN too, as the database has it: a trial that goes on reads its past from there."""
    return None if value is None or math.isnan(value) else value


@dataclass
class Heartbeat:
    """When the trial last gave a sign of progress, on a clock that nobody sets."""

    seen_at: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        self.seen_at = time.monotonic()


def watch_for_stall(heartbeat: Heartbeat, *, minutes: float, on_stall: Callable[[str], None]) -> threading.Event:
    """Call `on_stall`, with what happened, from a thread if the heart stops for that long.

    Returns the event that ends the watch.
    """
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(min(minutes * 60 / 10, 30.0)):
            silence = (time.monotonic() - heartbeat.seen_at) / 60
            if silence >= minutes:
                on_stall(f"no step and no score for {silence:.3g} minutes, and health.stall_minutes is {minutes:g}")
                return

    threading.Thread(target=watch, name="stall", daemon=True).start()
    return is_over
