"""What to know before a frontier is quoted, and the sentences that can be."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scaling.axes import BUDGETS
from scaling.forecasting.amounts import amount, span, unit_of
from scaling.forecasting.checks import FAR
from scaling.forecasting.curves import SizeCurve
from scaling.forecasting.results import Exponent, Handover, Stretch
from scaling.results import Check
from scaling.wording import short

SURE = 0.95


def frontier_checks(
    x_kind: str, curves: Sequence[SizeCurve], stretches: Sequence[Stretch], handovers: Sequence[Handover]
) -> list[Check]:
    """Failure signatures first, then the limits of the question."""
    return [
        _f14(stretches, handovers),
        *_backwards(curves, stretches),
        *_axis(x_kind),
        *_alone(curves),
        *_sure(stretches),
        *_edge(curves, stretches),
    ]


def _f14(stretches: Sequence[Stretch], handovers: Sequence[Handover]) -> Check:
    farthest = max(stretches, key=lambda each: each.outside)
    if farthest.outside <= FAR:
        message = "No stretch lies more than one observed range of ln x outside what was seen of its size."
        return Check("F14", "ok", farthest.outside, FAR, None, message)
    seen = sum(each.is_observed for each in handovers)
    message = (
        f"The stretch of {short(farthest.num_params)} reaches {farthest.outside:.1f} observed log-ranges outside what "
        f"was seen of it ({seen} of {len(handovers)} handovers lie inside). Narrow the window, or train it there."
    )
    return Check("F14", "warning", farthest.outside, FAR, farthest.num_params, message)


def _backwards(curves: Sequence[SizeCurve], stretches: Sequence[Stretch]) -> list[Check]:
    """A straight line goes up without end before the first evaluation; a model starts where its training starts."""
    first = {curve.num_params: curve.x_min for curve in curves}
    start = math.log(stretches[0].from_x)
    late = [size for size, x_min in first.items() if start < x_min - 1e-9]
    if not late:
        return []
    message = (
        f"{', '.join(map(short, late))}: first evaluated at a larger budget than the frontier starts from. Below it "
        "their lines are read backwards and may lie above the loss before training: at small budgets a larger model "
        "that is hardly trained can be better than this says."
    )
    return [Check("BACKWARDS", "note", float(len(late)), 0.0, late[-1], message)]


def _axis(x_kind: str) -> list[Check]:
    if x_kind in BUDGETS:
        return []
    message = (
        f"x counts {unit_of(x_kind)}, of which a large model does not need more: it wins for free. Ask over "
        "FLOPs or GPU hours for the best size of a budget."
    )
    return [Check("AXIS", "warning", None, None, None, message)]


def _alone(curves: Sequence[SizeCurve]) -> list[Check]:
    if len(curves) > 1:
        return []
    return [Check("ALONE", "note", 1.0, 2.0, curves[0].num_params, "One size: there is nothing to choose from.")]


def _sure(stretches: Sequence[Stretch]) -> list[Check]:
    unsure = [each for each in stretches if each.highest_share is not None and each.highest_share < SURE]
    if not unsure:
        return []
    named = ", ".join(short(each.num_params) for each in unsure)
    message = f"{named}: nowhere the best in {SURE:.0%} of draws. Add seeds before choosing by it."
    value = min(each.highest_share for each in unsure if each.highest_share is not None)
    return [Check("UNSURE", "note", value, SURE, unsure[0].num_params, message)]


def _edge(curves: Sequence[SizeCurve], stretches: Sequence[Stretch]) -> list[Check]:
    """F12's rule for sizes: a best one with nothing tried on its other side is a bound, not an optimum."""
    found = []
    best = {each.num_params for each in stretches}
    for edge, side in ((curves[0], "smaller"), (curves[-1], "larger")):
        if edge.num_params in best and len(curves) > 1:
            message = (
                f"{short(edge.num_params)}, best over part of the range, is the edge of those tried: no {side} one."
            )
            found.append(Check("EDGE", "note", float(edge.num_params), None, edge.num_params, message))
    return found


def in_words(
    x_kind: str,
    stretches: Sequence[Stretch],
    handovers: Sequence[Handover],
    never: Sequence[tuple[int, float | None]],
    exponent: Exponent,
) -> tuple[str, ...]:
    """Plain sentences that a researcher can quote."""
    unit = unit_of(x_kind)
    said = [
        f"{short(each.num_params)} has the lowest predicted loss from {amount(each.from_x)} to {amount(each.to_x)} "
        f"{unit}{_share(each)}."
        for each in stretches
    ]
    said += [
        f"{short(each.after)} overtakes {short(each.before)} at {amount(each.x)} {unit}{_span(each)}, {_seen(each)}."
        for each in handovers
    ]
    if never:
        named = ", ".join(short(size) for size, _ in never)
        shares = [share for _, share in never if share is not None]
        at_most = f" (at most in {max(shares):.0%} of draws)" if shares else ""
        said.append(f"Nowhere the best: {named}{at_most}.")
    if exponent.value is not None:
        span = exponent.interval
        sure = exponent.reason if span is None else f"95% interval {span.low:.2f} to {span.high:.2f}"
        said.append(f"The best size grows as x^{exponent.value:.2f} ({sure}).")
    return tuple(said)


def _share(each: Stretch) -> str:
    if each.lowest_share is None or each.highest_share is None:
        return ""
    return f" (in {each.lowest_share:.0%} to {each.highest_share:.0%} of draws)"


def _span(each: Handover) -> str:
    return "" if each.share is None else span(each.low, each.high)


def _seen(each: Handover) -> str:
    if each.is_observed:
        return "inside what was seen of both"
    if each.outside == 0.0:
        return "by a size that was not trained"
    far = "less than 0.1" if each.outside < 0.1 else f"{each.outside:.1f}"
    return f"{far} log-ranges outside what was seen of both"
