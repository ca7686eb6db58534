"""What a transfer fit hands out. Losses are 1 - pass@1, gains are losses before training minus losses after it."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.results import Check, Interval


@dataclass(frozen=True)
class Amount:
    """A mean over runs, its standard error, and its 95% interval with where it comes from; None where not known."""

    value: float
    se: float | None
    interval: Interval | None


@dataclass(frozen=True)
class RunGain:
    """One run on one benchmark: its losses at step 0, at its last evaluation and at its best one. `gain`: first - last.

    `first_se`, `last_se`: of problems and completions drawn, as recorded or from counts; None for neither.
    """

    trial_id: int
    seed: int
    num_evaluations: int
    last_step: int
    first_loss: float
    last_loss: float
    best_loss: float
    best_step: int
    first_se: float | None
    last_se: float | None

    @property
    def gain(self) -> float:
        """Loss taken away by training; below 0 where training did damage."""
        return self.first_loss - self.last_loss

    @property
    def relative_gain(self) -> float | None:
        """The gain as a share of the loss before training; None where that was 0."""
        return self.gain / self.first_loss if self.first_loss > 0 else None


@dataclass(frozen=True)
class Damage:
    """F10: how far the loss at the end lies above the lowest it was, both as means over
    `window` evaluations.

    `rise` is relative to the lowest, with its standard error and 95% interval; `threshold` is what it has to exceed:
    the larger of 2% and 2 SE. `low_step`: last step of the lowest window.
    """

    rise: float
    se: float | None
    interval: Interval | None
    threshold: float
    window: int
    low_step: int
    end_step: int

    @property
    def is_found(self) -> bool:
        """Whether the rise is damage: above its threshold, and not noise by its interval."""
        return self.rise > self.threshold and self.interval is not None and self.interval.low > 0


@dataclass(frozen=True)
class Transfer:
    """One model on one benchmark; losses and gains are means over its runs. `best_loss` is an optimistic number.

    `gain` in loss, `relative_gain` as a share of the loss before training. `damage`: None with one evaluation.
    """

    model: str
    num_params: int
    benchmark: str
    protocol: str
    in_domain: bool
    first_loss: float
    last_loss: float
    best_loss: float
    gain: Amount
    relative_gain: Amount | None
    damage: Damage | None
    runs: tuple[RunGain, ...]


@dataclass(frozen=True)
class Trend:
    """Whether relative gains rise with model size: Spearman's rank correlation over models, two-sided permutation p.

    Gains are those at `at_step`, the last one that all runs were scored at.
    """

    benchmark: str
    protocol: str
    at_step: int
    num_models: int
    rank_correlation: float
    p_value: float


@dataclass(frozen=True)
class Coupling:
    """Whether runs that gain more in domain gain more here: Spearman's rank correlation of gains over runs.

    `within_models`: the same after each model's mean gains are taken away, so that size cannot make it; None below
    three more runs than models. Gains are those at `at_step`, the last one that all runs were scored at here.
    """

    benchmark: str
    protocol: str
    at_step: int
    num_runs: int
    num_models: int
    rank_correlation: float
    within_models: float | None


@dataclass(frozen=True)
class TransferFit:
    """Everything that one transfer fit found out; equal inputs give equal fits, to the byte.

    `in_domain`: benchmark and protocol that gains are compared with, None where there is none. `left_out`: runs that
    cannot be judged on a benchmark, as (trial, benchmark, protocol, reason).
    """

    data_sha256: str
    num_points: int
    in_domain: tuple[str, str] | None
    transfers: tuple[Transfer, ...]
    trends: tuple[Trend, ...]
    couplings: tuple[Coupling, ...]
    left_out: tuple[tuple[int, str, str, str], ...]
    checks: tuple[Check, ...]
    summary: tuple[str, ...]
