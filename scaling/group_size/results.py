"""What a group-size fit hands out. x is in the unit of its axis (FLOPs, prompts, ...)."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.results import Check


@dataclass(frozen=True)
class GroupFit:
    """One group size: ln L = sum_i coefficients[i] u^i, u = (ln x - centre) / half, inside [x_min, x_max] only.

    `k`: mean slope -d ln L / d ln x over that range. `first_loss` and `last_loss` are the curve's, at its ends.
    """

    group_size: int
    num_runs: int
    num_evaluations: int
    x_min: float
    x_max: float
    first_loss: float
    last_loss: float
    k: float
    centre: float
    half: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class BestAt:
    """The group size with the lowest loss at x, among those that cover x.

    `shares`: for each of them, (group size, loss, share of the bootstrap draws in which it is the best); the share is
    None without a bootstrap.
    """

    x: float
    group_size: int
    share: float | None
    shares: tuple[tuple[int, float, float | None], ...]


@dataclass(frozen=True)
class BestRange:
    """A stretch of x with one best group size, and how sure that is at the least and the most certain x of it."""

    group_size: int
    from_x: float
    to_x: float
    lowest_share: float | None
    highest_share: float | None


@dataclass(frozen=True)
class Crossing:
    """Where two curves cross inside the range that both cover: `before` is the better one below x, `after` above it.

    `low` and `high`: 95% interval of x, None for an end outside that range. `share`: of the draws in which they cross
    in this direction inside it. All None without a bootstrap.
    """

    before: int
    after: int
    x: float
    low: float | None
    high: float | None
    share: float | None
    range_low: float
    range_high: float


@dataclass(frozen=True)
class GroupSizesOfModel:
    """One model. `shape`: line, or cubic where lines do not fit; `curvature_p`: p-value of that test, None without."""

    model: str
    num_params: int
    shape: str
    curvature_p: float | None
    groups: tuple[GroupFit, ...]
    best: tuple[BestAt, ...]
    ranges: tuple[BestRange, ...]
    crossings: tuple[Crossing, ...]
    summary: str


@dataclass(frozen=True)
class GroupSizeFit:
    """Everything that one group-size fit found out; equal inputs give equal fits, to the byte.

    `left_out`: (model, why it cannot be judged).
    """

    x_kind: str
    benchmark: str
    protocol: str
    from_x: float | None
    to_x: float | None
    estimator: str
    draws: int
    data_sha256: str
    num_points: int
    models: tuple[GroupSizesOfModel, ...]
    left_out: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]
