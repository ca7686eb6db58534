"""F01 and F02: are learning curves straight in ln X, as every law k(N) takes them to be?"""

from __future__ import annotations

from scaling.inter_model.estimate import Estimate
from scaling.inter_model.late_slopes import late_slopes
from scaling.regression.linearity import curvature
from scaling.results import Check
from scaling.wording import short

PLATEAU = 0.5  # late slope over overall slope


def check_straightness(estimate: Estimate) -> list[Check]:
    """Curvature over the whole window, then slopes late in it."""
    return [check_log_linear(estimate), *check_plateau(estimate)]


def check_log_linear(estimate: Estimate) -> Check:
    test = curvature(estimate.design, estimate.free)
    if test is None:
        return Check("F01", "note", None, 0.01, None, "Too few evaluations to test whether ln L is straight in ln X.")
    p_value, bent = test
    if p_value >= 0.01:
        return Check("F01", "ok", p_value, 0.01, None, "No curvature of ln L in ln X beyond noise.")
    where = ", ".join(short(estimate.design.sizes[size]) for size in bent) or "all sizes together"
    message = (
        f"ln L bends in ln X ({where}): k depends on the fit window. See how in `rlsweep plot --diagnostics`, fit "
        "again from a later start (--from), or fit laws with a floor or an S (--scope intra-model)."
    )
    return Check("F01", "warning", p_value, 0.01, None, message)


def check_plateau(estimate: Estimate) -> list[Check]:
    """The slope in the last third of ln X below half of the whole window's, and the ratio's interval below 1."""
    found = []
    measured = late_slopes(estimate)
    for each in measured:
        if each.whole <= each.half_of_whole:
            continue  # a slope that may be zero has nothing to flatten from
        if each.late < PLATEAU * each.whole and each.late + each.half_of_gap < each.whole:
            size = int(estimate.design.sizes[each.size])
            message = (
                f"{short(size)} flattens: k = {each.late:.3f} in the last third of ln X against {each.whole:.3f} over "
                "the window. A straight line will forecast too low a loss further on: fit laws with a floor "
                "(--scope intra-model), and do not extend this one."
            )
            found.append(Check("F02", "warning", each.late / each.whole, PLATEAU, size, message))
    if found:
        return found
    if not measured:
        message = "Too few evaluations in the last third of ln X to see whether learning flattens."
        return [Check("F02", "note", None, PLATEAU, None, message)]
    return [Check("F02", "ok", None, PLATEAU, None, "No size flattens in the last third of ln X.")]
