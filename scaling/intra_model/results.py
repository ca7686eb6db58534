"""What an intra-model fit hands out. Losses are 1 - pass@1; x is in the unit of its axis."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.laws.trajectories import TrajectoryFit
from scaling.results import Interval


@dataclass(frozen=True)
class PrefixForecast:
    """The end of a run, forecast from its first `share`, `shots` evaluations: none of those that it is scored on."""

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
    """One law on a whole run. `aicc` counts its evaluations for less, as far as their residuals are correlated."""

    fit: TrajectoryFit
    aicc: float | None
    delta_aicc: float | None


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
