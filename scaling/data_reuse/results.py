"""What a data-reuse fit hands out. Differences are of ln L, tau against 1, positive where reuse hurts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from scaling.results import Check, Interval

Verdict = Literal["harmful", "equivalent", "not_settled"]


@dataclass(frozen=True)
class TauEffect:
    """One tau. `mean`: of ln L(tau) - ln L(1) over the last evaluations of its pairs, with 95% and 90% interval.

    `last`: the same difference at the last evaluation alone, which a mean lags behind where the difference still
    grows, with its 95% interval. `slope`: of the difference in ln prompts over the last third of the ln prompts of a
    run, None with fewer than three evaluations there. `end_x`: prompts at which the shortest of the pairs ends.

    `verdict`: harmful where the mean is above 0 and either its 95% interval is too and it reaches the margin, or the
    difference is rising. Else equivalent where the upper end of the 90% interval stays below ln(1 + margin), which is
    the one of the two one-sided 5% tests of equivalence that harm is about, and neither a rise nor the last evaluation
    speaks against it. Else not_settled.
    """

    tau: float
    num_pairs: int
    num_evaluations: int
    end_x: float
    mean: float
    interval: Interval | None
    interval_90: Interval | None
    last: float
    last_interval: Interval | None
    slope: float | None
    slope_interval: Interval | None
    verdict: Verdict

    @property
    def is_rising(self) -> bool:
        """Whether the 95% interval of the slope lies above 0."""
        return self.slope_interval is not None and self.slope_interval.low > 0

    def in_words(self) -> str:
        """The difference for a sentence; where it is rising, what it has come to."""
        rise = f" and rising, {math.expm1(self.last):+.1%} at the last evaluation" if self.is_rising else ""
        return f"{math.expm1(self.mean):+.1%} loss{rise}"


@dataclass(frozen=True)
class PairFit:
    """One run and its twin with tau = 1: their difference at each number of prompts `x`, and its mean at the end."""

    trial_id: int
    twin_trial_id: int
    tau: float
    seed: int
    mean: float
    x: tuple[float, ...]
    difference: tuple[float, ...]


@dataclass(frozen=True)
class Onset:
    """The tau at which the mean difference, straight in ln tau between those tried, first reaches the margin.

    `tau` is None where it does not; `low` and `high` are the 95% interval, None for an end beyond the largest tau.
    `share`: of the bootstrap draws that reach the margin at all; None without a bootstrap.
    """

    tau: float | None
    low: float | None
    high: float | None
    share: float | None
    largest_tau: float

    def range_in_words(self) -> str:
        """The interval for a sentence; empty without one."""
        if self.low is None:
            return ""
        end = f"to {self.high:.3g}" if self.high is not None else f"to beyond {self.largest_tau:g}"
        return f" (95% interval {self.low:.3g} {end})"


@dataclass(frozen=True)
class ReuseOfModel:
    """One model: every tau, the largest one shown safe with all smaller ones, and where harm sets in.

    `autocorrelation`: of neighbouring differences beyond a smooth trend; None where runs are too short to tell.
    """

    model: str
    num_params: int
    seeds: tuple[int, ...]
    autocorrelation: float | None
    effects: tuple[TauEffect, ...]
    largest_safe_tau: float | None
    onset: Onset
    pairs: tuple[PairFit, ...]
    summary: str


@dataclass(frozen=True)
class DataReuseFit:
    """Everything that one data-reuse fit found out; equal inputs give equal fits, to the byte.

    `left_out`: runs with tau > 1 that could not be paired, with the reason. `num_points`: paired evaluations.
    """

    benchmark: str
    protocol: str
    from_x: float | None
    to_x: float | None
    margin: float
    window: float
    draws: int
    data_sha256: str
    num_points: int
    models: tuple[ReuseOfModel, ...]
    left_out: tuple[tuple[int, str], ...]
    checks: tuple[Check, ...]
