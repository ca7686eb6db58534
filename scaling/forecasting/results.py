"""What forecasts hand out. Losses are 1 - pass@1; x is in the unit of its axis; sizes are non-embedding parameters."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.results import Check, Interval


@dataclass(frozen=True)
class Prediction:
    """The test loss of one size at one x.

    `label`: in_sample (inside the x seen of this size), kshot(m) (outside them, m evaluations a run seen), zero_shot
    (no evaluation seen) or oracle_level (an evaluation that was set aside was used: no prediction). `mean`: 95%
    interval of the mean curve; `new_run`: of what one more run would measure. `x_outside` and `size_outside`: how far
    x and ln N lie outside what was seen, in units of the range of ln x (of ln N) seen. `other_forms`: for a size that
    was not seen, (form, loss) under the forms of k(N) that the data prefer or cannot tell from the one used.
    """

    num_params: int
    x: float
    label: str
    loss: float
    k: float
    mean: Interval | None
    new_run: Interval | None
    x_outside: float
    size_outside: float
    other_forms: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Predictions:
    """Everything that one request for predictions found out; equal inputs give equal results, to the byte.

    `k_form`: the law that was used, free where there was none. `trained_on`: the sizes whose evaluations were seen.
    """

    x_kind: str
    benchmark: str
    protocol: str
    k_form: str
    estimator: str
    draws: int
    data_sha256: str
    trained_on: tuple[int, ...]
    predictions: tuple[Prediction, ...]
    checks: tuple[Check, ...]
    summary: tuple[str, ...]


@dataclass(frozen=True)
class Budget:
    """The x at which the mean curve of a size reaches a loss; None where it never does.

    `low` and `high`: its 95% interval, None for an end that is open (no x is small, or large, enough) and where nothing
    tells how sure it is. `share`: of the draws in which the curve falls at all, so that it gets there at some x.
    `label` and `x_outside` as in a prediction at that x.
    """

    num_params: int
    loss: float
    x: float | None
    low: float | None
    high: float | None
    share: float | None
    label: str | None
    x_outside: float | None
    checks: tuple[Check, ...]
    summary: str


@dataclass(frozen=True)
class FrontierPoint:
    """The size with the lowest predicted loss at x, `share` of the draws in which it has it, and its loss there.

    `interval`: 95%, of the mean curve of this size. The lowest of several noisy curves would lie too low.
    `shares`: for every size, (size, share).
    """

    x: float
    num_params: int
    loss: float
    interval: Interval | None
    share: float | None
    shares: tuple[tuple[int, float | None], ...]


@dataclass(frozen=True)
class Stretch:
    """Budgets with one best size. The shares are the lowest and highest of the points inside, None without draws.

    `outside`: how far its farther end lies outside the x seen of that size, in units of the range of ln x seen.
    """

    num_params: int
    from_x: float
    to_x: float
    lowest_share: float | None
    highest_share: float | None
    outside: float


@dataclass(frozen=True)
class Handover:
    """Where `after` overtakes `before` as the best size.

    `low` and `high`: 95% interval of x, None for an open end and without draws. `share`: of the draws in which the
    curve of `after` falls faster, so that it overtakes at some x. `is_observed`: whether both sizes were seen on
    both sides of x; else `outside` says how far x lies outside, in units of the range of ln x seen, of the farther of
    the two.
    """

    before: int
    after: int
    x: float
    low: float | None
    high: float | None
    share: float | None
    is_observed: bool
    outside: float


@dataclass(frozen=True)
class Exponent:
    """Slope of ln N_best over ln x through the handovers, each at the geometric mean of its two sizes.

    `value` is None, and `reason` says why, below three handovers.
    """

    value: float | None
    interval: Interval | None
    reason: str


@dataclass(frozen=True)
class Frontier:
    """The best size at every budget; equal inputs give equal frontiers, to the byte.

    `never_best`: (size, the highest share of the draws, at any x, in which it is best all the same).
    """

    x_kind: str
    benchmark: str
    protocol: str
    k_form: str
    estimator: str
    draws: int
    data_sha256: str
    trained_on: tuple[int, ...]
    sizes: tuple[int, ...]
    from_x: float
    to_x: float
    points: tuple[FrontierPoint, ...]
    stretches: tuple[Stretch, ...]
    handovers: tuple[Handover, ...]
    never_best: tuple[tuple[int, float | None], ...]
    exponent: Exponent
    checks: tuple[Check, ...]
    summary: tuple[str, ...]
