"""Which curve is the lowest at each x, how sure that is, and where curves cross."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from scaling.group_size.curves import GroupCurve
from scaling.group_size.results import BestAt, BestRange, Crossing
from scaling.observations import FloatArray

GRID_POINTS = 61
CROSSING_POINTS = 201


def best_at(curves: Sequence[GroupCurve], draws: Sequence[FloatArray] | None) -> tuple[BestAt, ...]:
    """The best group size on a grid of ln x, wherever two curves can be compared."""
    ends = sorted(curve.low for curve in curves)[1], sorted(curve.high for curve in curves)[-2]
    if ends[0] >= ends[1]:
        return ()
    log_x = np.linspace(*ends, GRID_POINTS)
    levels = np.stack([curve.log_loss(log_x) for curve in curves])
    shares = None if draws is None else _shares(curves, draws, log_x)
    compared = np.flatnonzero(np.sum(~np.isnan(levels), axis=0) >= 2)
    return tuple(_best(curves, levels[:, at], None if shares is None else shares[:, at], log_x[at]) for at in compared)


def ranges_of(best: Sequence[BestAt]) -> tuple[BestRange, ...]:
    """Neighbouring x with the same best group size, put together."""
    found = []
    for group_size, part in itertools.groupby(best, key=lambda each: each.group_size):
        points = list(part)
        shares = [each.share for each in points if each.share is not None]
        found.append(
            BestRange(group_size, points[0].x, points[-1].x, min(shares, default=None), max(shares, default=None))
        )
    return tuple(found)


def crossings_of(curves: Sequence[GroupCurve], draws: Sequence[FloatArray] | None) -> tuple[Crossing, ...]:
    """Every crossing of every pair of curves inside the range that both cover, by group sizes and x."""
    found: list[Crossing] = []
    for first, second in itertools.combinations(range(len(curves)), 2):
        pair = (curves[first], curves[second])
        low, high = max(curve.low for curve in pair), min(curve.high for curve in pair)
        if low >= high:
            continue
        log_x = np.linspace(low, high, CROSSING_POINTS)
        bases = [curve.basis(log_x) for curve in pair]
        gap = bases[0] @ pair[0].coefficients - bases[1] @ pair[1].coefficients
        drawn = None if draws is None else draws[first] @ bases[0].T - draws[second] @ bases[1].T
        sizes = pair[0].group_size, pair[1].group_size
        for direction, order in ((1.0, sizes), (-1.0, (sizes[1], sizes[0]))):
            found += [
                _crossing(order, float(at), log_x, None if drawn is None else direction * drawn)
                for at in _upward(log_x, (direction * gap)[None])[0]
                if np.isfinite(at)
            ]
    return tuple(sorted(found, key=lambda each: (sorted((each.before, each.after)), each.x)))


def _shares(curves: Sequence[GroupCurve], draws: Sequence[FloatArray], log_x: FloatArray) -> FloatArray:
    """Share of the draws in which each curve is the lowest, (curves, x)."""
    drawn = np.stack(
        [curve.covered(log_x, own @ curve.basis(log_x).T) for curve, own in zip(curves, draws, strict=True)]
    )
    winner = np.argmin(np.nan_to_num(drawn, nan=np.inf), axis=0)
    return np.stack([np.mean(winner == index, axis=0) for index in range(len(curves))])


def _best(curves: Sequence[GroupCurve], levels: FloatArray, shares: FloatArray | None, log_x: float) -> BestAt:
    covering = np.flatnonzero(~np.isnan(levels))
    best = int(covering[np.argmin(levels[covering])])
    own = [None if shares is None else float(shares[index]) for index in range(len(curves))]
    return BestAt(
        x=math.exp(log_x),
        group_size=curves[best].group_size,
        share=own[best],
        shares=tuple((curves[i].group_size, math.exp(float(levels[i])), own[i]) for i in covering),
    )


def _crossing(sizes: tuple[int, int], at: float, log_x: FloatArray, drawn: FloatArray | None) -> Crossing:
    """`drawn` rises through 0 where the draw crosses; one that does not is over before, or comes after, the range."""
    ends = math.exp(log_x[0]), math.exp(log_x[-1])
    if drawn is None:
        return Crossing(*sizes, math.exp(at), None, None, None, *ends)
    places = _upward(log_x, drawn)
    nearest = places[np.arange(len(places)), np.argmin(np.abs(places - at), axis=1)]
    crosses = np.isfinite(nearest)
    here = int(np.argmin(np.abs(log_x - at)))
    where = np.where(crosses, nearest, np.where(drawn[:, here] > 0, -np.inf, np.inf))
    low, high = np.quantile(where, [0.025, 0.975], method="inverted_cdf")  # no arithmetic with infinity
    return Crossing(*sizes, math.exp(at), _inside(low), _inside(high), float(crosses.mean()), *ends)


def _upward(log_x: FloatArray, gap: FloatArray) -> FloatArray:
    """ln x at which each row of gaps rises through 0, in the column of the interval it happens in; else infinity."""
    before, after = gap[:, :-1], gap[:, 1:]
    rises = (before < 0) & (after >= 0)
    share = np.divide(-before, after - before, out=np.zeros_like(before), where=rises)
    places: FloatArray = np.where(rises, log_x[:-1] + share * np.diff(log_x), np.inf)
    return places


def _inside(log_x: float) -> float | None:
    return math.exp(log_x) if math.isfinite(log_x) else None
