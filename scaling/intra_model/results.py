"""What an intra-model fit hands out. Losses are 1 - pass@1; x is in the unit of its axis."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.laws.trajectories import TrajectoryFit
from scaling.results import Check, Interval


@dataclass(frozen=True)
class PrefixForecast:
    """The end of a run, forecast from its first `share`, `shots` evaluations: none of those that it is scored on.

    `x_outside`: how far the end lies beyond the prefix, in units of the range of ln x in the prefix.
    """

    law: str
    share: float
    shots: int
    from_x: float
    at_x: float
    predicted: float
    interval: Interval | None
    actual: float
    actual_se: float | None
    is_at_edge: bool
    x_outside: float = 0.0

    @property
    def relative_error(self) -> float | None:
        """predicted / actual - 1; None for a run that ends without a wrong answer."""
        return self.predicted / self.actual - 1.0 if self.actual > 0 else None

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds what came; None without one."""
        return None if self.interval is None else self.interval.low <= self.actual <= self.interval.high

    @property
    def label(self) -> str:
        """Its mode, as it is printed and stored: so many evaluations of the run itself were seen."""
        return f"kshot({self.shots})"


@dataclass(frozen=True)
class LawOnRun:
    """One law on a whole run. `aicc` counts its evaluations for less, as far as their residuals are correlated.

    `intervals`: 95%, of its parameters by name, from noise inside the run; None where one is not determined.
    """

    fit: TrajectoryFit
    aicc: float | None
    delta_aicc: float | None
    intervals: dict[str, Interval | None]


@dataclass(frozen=True)
class RunTrajectories:
    """A run: every law on all of it, the best by AICc first, and every law on every prefix of it."""

    trial_id: int
    model: str
    num_params: int
    seed: int
    num_evaluations: int
    autocorrelation: float | None
    laws: tuple[LawOnRun, ...]
    forecasts: tuple[PrefixForecast, ...]


@dataclass(frozen=True)
class Coverage:
    """How many of a law's forecasts with an interval it held, over all runs and prefixes. They are not independent."""

    law: str
    held: int
    made: int

    @property
    def share(self) -> float | None:
        """None without any interval."""
        return self.held / self.made if self.made else None


@dataclass(frozen=True)
class IntraModelFit:
    """What the beginnings of runs say of their ends."""

    x_kind: str
    benchmark: str
    protocol: str
    from_x: float | None
    to_x: float | None
    laws: tuple[str, ...]
    data_sha256: str
    num_points: int
    runs: tuple[RunTrajectories, ...]
    left_out: tuple[tuple[int, str], ...]
    coverage: tuple[Coverage, ...] = ()
    checks: tuple[Check, ...] = ()
    summary: tuple[str, ...] = ()


@dataclass(frozen=True)
class SizeDecomposition:
    """One size: L = `floor` + `removable` / (1 + (X / `half_x`)^beta), which are L_inf, lambda and X_0."""

    num_params: int
    num_evaluations: int
    floor: float
    floor_interval: Interval | None
    removable: float
    removable_interval: Interval | None
    half_x: float
    half_x_interval: Interval | None
    x_max: float
    is_at_edge: bool


@dataclass(frozen=True)
class LossDecomposition:
    """The losses of all sizes taken apart with one exponent, a research law. `shared_p`: is one exponent enough?"""

    x_kind: str
    benchmark: str
    protocol: str
    data_sha256: str
    exponent: float
    exponent_interval: Interval | None
    shared_p: float
    sizes: tuple[SizeDecomposition, ...]
    checks: tuple[Check, ...]
    summary: tuple[str, ...]
    is_research: bool = True
