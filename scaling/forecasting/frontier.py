"""Which size has the lowest test loss at each budget? The compute-optimal frontier of a study, and how sure it is.

A small model gets more training out of a budget, a large one more out of its training, so the best size depends on the
budget. `frontier` says which is best where, at which budgets one hands over to the next, with intervals, and whether
that was seen or is extrapolated. It is pure and deterministic; it writes and prints nothing. It means something on axes
where sizes cost differently only; on the others it says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from scaling.errors import FitError
from scaling.forecasting.checks import source_checks
from scaling.forecasting.curves import SizeCurve, size_curves
from scaling.forecasting.envelope import drawn_crossings, line_through, lowest_lines
from scaling.forecasting.forms import form_checks, form_choice
from scaling.forecasting.frontier_checks import frontier_checks, in_words
from scaling.forecasting.results import Exponent, Frontier, FrontierPoint, Handover, Stretch
from scaling.forecasting.sources import source_of
from scaling.group_size.optimum import GRID_POINTS
from scaling.observations import FloatArray, Observations
from scaling.results import Interval

BEYOND = 10.0  # times the largest x seen: how far the frontier is followed
MIN_HANDOVERS = 3
SURE = 0.95
CURVE = "draws of the mean curve"


def frontier(
    observations: Observations,
    *,
    k_form: str = "saturating",
    estimator: str = "auto",
    draws: int = 1000,
    from_x: float | None = None,
    to_x: float | None = None,
    sizes: Sequence[int] | None = None,
) -> Frontier:
    """The best size from `from_x` to `to_x`: from the smallest x seen to ten times the largest, if not given.

    `sizes`: further ones, not trained, whose curves come from the law. `draws` of what the curves could be; 0 leaves
    out how sure anything is.
    """
    source = source_of(observations, k_form=k_form, estimator=estimator)
    low, high = _window(source.estimate.design.log_x, from_x, to_x)
    if wrong := [each for each in sizes or () if each <= 0]:
        raise FitError(f"size = {', '.join(map(str, wrong))} cannot be forecast. Give numbers above 0.")
    every = sorted({*source.trained_on, *(int(size) for size in sizes or ())})
    curves = size_curves(source.observations, source.estimate, every, estimator=source.estimator, draws=draws)
    log_x = np.linspace(low, high, GRID_POINTS)
    points = _points(curves, log_x)
    lines = lowest_lines(np.array([c.intercept for c in curves]), np.array([c.k for c in curves]), low, high)
    stretches = tuple(_stretch(curves[line], points, start, end) for line, start, end in lines)
    pairs = [(curves[one[0]], curves[other[0]], other[1]) for one, other in itertools.pairwise(lines)]
    handovers = tuple(_handover(*pair) for pair in pairs)
    never = tuple(
        (curve.num_params, _highest_share(points, index))
        for index, curve in enumerate(curves)
        if index not in {line for line, _, _ in lines}
    )
    exponent = _exponent(pairs)
    found = frontier_checks(source.observations.x_kind, curves, stretches, handovers)
    return Frontier(
        x_kind=source.observations.x_kind,
        benchmark=source.observations.benchmark,
        protocol=source.observations.protocol,
        k_form="free" if source.estimate.form is None else k_form,
        estimator=source.estimator,
        draws=draws,
        data_sha256=source.observations.data_sha256,
        trained_on=source.trained_on,
        sizes=tuple(every),
        from_x=math.exp(low),
        to_x=math.exp(high),
        points=points,
        stretches=stretches,
        handovers=handovers,
        never_best=never,
        exponent=exponent,
        checks=(*found, *source_checks(source, curves), *form_checks(source, form_choice(source)[0])),
        summary=in_words(source.observations.x_kind, stretches, handovers, never, exponent),
    )


def _window(seen: FloatArray, from_x: float | None, to_x: float | None) -> tuple[float, float]:
    for name, value in (("from_x", from_x), ("to_x", to_x)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise FitError(f"{name} = {value:g} is no budget. Give a number above 0.")
    low = float(seen.min()) if from_x is None else math.log(from_x)
    high = float(seen.max()) + math.log(BEYOND) if to_x is None else math.log(to_x)
    if low >= high:
        raise FitError(f"the frontier would go from {math.exp(low):g} to {math.exp(high):g}. Give a larger to_x.")
    return low, high


def _points(curves: Sequence[SizeCurve], log_x: FloatArray) -> tuple[FrontierPoint, ...]:
    levels = np.stack([curve.log_loss(log_x) for curve in curves])
    best = np.argmin(levels, axis=0)
    shares = spans = None
    if all(curve.drawn_k is not None for curve in curves):
        drawn = np.stack([curve.drawn(log_x) for curve in curves])
        winner = np.argmin(drawn, axis=0)
        shares = np.stack([np.mean(winner == index, axis=0) for index in range(len(curves))])
        own = np.take_along_axis(drawn, best[None, None], axis=0)[0]
        spans = np.exp(np.minimum(np.quantile(own, [0.025, 0.975], axis=0, method="inverted_cdf"), 0.0))
    return tuple(
        FrontierPoint(
            x=math.exp(log_x[at]),
            num_params=curves[index].num_params,
            loss=math.exp(min(float(levels[index, at]), 0.0)),
            interval=None if spans is None else Interval(float(spans[0, at]), float(spans[1, at]), CURVE),
            share=None if shares is None else float(shares[index, at]),
            shares=tuple(
                (curve.num_params, None if shares is None else float(shares[other, at]))
                for other, curve in enumerate(curves)
            ),
        )
        for at, index in enumerate(best.tolist())
    )


def _stretch(curve: SizeCurve, points: Sequence[FrontierPoint], start: float, end: float) -> Stretch:
    inside = [
        each.share
        for each in points
        if each.num_params == curve.num_params
        and each.share is not None
        and start - 1e-9 <= math.log(each.x) <= end + 1e-9
    ]
    return Stretch(
        num_params=curve.num_params,
        from_x=math.exp(start),
        to_x=math.exp(end),
        lowest_share=min(inside, default=None),
        highest_share=max(inside, default=None),
        outside=max(curve.outside(start), curve.outside(end)),
    )


def _highest_share(points: Sequence[FrontierPoint], index: int) -> float | None:
    return max((share for each in points if (share := each.shares[index][1]) is not None), default=None)


def _handover(before: SizeCurve, after: SizeCurve, at: float) -> Handover:
    drawn = _drawn_handover(before, after, at)
    low = high = share = None
    if drawn is not None:
        ends = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")  # no arithmetic with infinity
        low, high = (math.exp(end) if abs(end) < 700.0 else None for end in ends.tolist())
        share = float(np.mean(np.isfinite(drawn)))
    outside = max(before.outside(at), after.outside(at))
    return Handover(
        before=before.num_params,
        after=after.num_params,
        x=math.exp(at),
        low=low,
        high=high,
        share=share,
        is_observed=outside == 0.0 and before.is_seen and after.is_seen,
        outside=outside,
    )


def _drawn_handover(before: SizeCurve, after: SizeCurve, at: float) -> FloatArray | None:
    lines = []
    for curve in (before, after):
        if curve.drawn_level is None or curve.drawn_k is None:
            return None
        lines.append((curve.drawn_level + curve.drawn_k * curve.centre, curve.drawn_k))
    return drawn_crossings(lines[0], lines[1], at)


def _exponent(pairs: Sequence[tuple[SizeCurve, SizeCurve, float]]) -> Exponent:
    """Its interval is that of the draws in which all handovers happen, and None where those are few."""
    if len(pairs) < MIN_HANDOVERS:
        count = f"{len(pairs)} handover{'' if len(pairs) == 1 else 's'}"
        return Exponent(None, None, f"{count} between sizes: an exponent takes {MIN_HANDOVERS}. Add sizes or budgets.")
    log_n = np.array([math.log(before.num_params * after.num_params) / 2 for before, after, _ in pairs])
    at = np.array([[each[2] for each in pairs]])
    value = float(line_through(at, log_n)[0])
    drawn = [_drawn_handover(*pair) for pair in pairs]
    known = [each for each in drawn if each is not None]
    if len(known) < len(pairs):
        return Exponent(value, None, "no draws to tell how sure it is")
    each_draw = np.stack(known, axis=1)
    whole = np.all(np.isfinite(each_draw), axis=1)
    if whole.mean() < SURE:
        return Exponent(value, None, f"all these handovers happen in {whole.mean():.0%} of draws only")
    low, high = np.quantile(line_through(each_draw[whole], log_n), [0.025, 0.975], method="inverted_cdf")
    interval = Interval(float(low), float(high), "draws of the handovers")
    return Exponent(value, interval, f"{len(pairs)} handovers")
