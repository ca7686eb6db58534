"""What to know before a forecast is quoted: its law, its levels, and how far it reaches beyond what was seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scaling.forecasting.amounts import amount
from scaling.forecasting.curves import SizeCurve
from scaling.forecasting.results import Prediction
from scaling.forecasting.sources import Source
from scaling.inter_model.data_checks import check_configuration
from scaling.inter_model.identification import identify
from scaling.inter_model.scatter import law_scatter
from scaling.inter_model.straightness import check_straightness
from scaling.laws.k_forms import form_named
from scaling.regression.estimators import LOWEST_LOG_LOSS
from scaling.results import Check
from scaling.wording import short

FAR = 1.0  # log-ranges: F14


def source_checks(source: Source, curves: Sequence[SizeCurve]) -> list[Check]:
    """Limits of the estimation behind the forecasts of these curves."""
    return [
        *check_straightness(source.estimate),
        *check_configuration(source.observations),
        *_sizes(source),
        *_bound(source),
        *_identified(source, curves),
        *_misfit(source),
        *_levels(curves),
        _seeds(source),
        *_unsure(curves),
    ]


def prediction_checks(predictions: Sequence[Prediction]) -> list[Check]:
    """F14 for what lies far outside, F06 for losses that a test cannot have, and forecasts that are none."""
    found = [check for each in predictions for check in (*_f06(each), *_oracle(each))]
    return [*_f14(predictions), *found]


def _f14(predictions: Sequence[Prediction]) -> list[Check]:
    """One for what is far in x and one for what is far in size, each naming the farthest."""
    found = []
    for what, outside in (("x", [each.x_outside for each in predictions]),
                          ("size", [each.size_outside for each in predictions])):  # fmt: skip
        far = [(out, each) for out, each in zip(outside, predictions, strict=True) if out > FAR]
        if far:
            farthest, each = max(far, key=lambda pair: pair[0])
            where = f"x = {amount(each.x)}" if what == "x" else f"N = {short(each.num_params)}"
            others = "" if len(far) == 1 else f", and {len(far) - 1} more lie far out"
            ranges = f"{farthest:.1f} observed ranges of ln {'x' if what == 'x' else 'N'}"
            message = (
                f"{where} lies {ranges} outside what was seen{others}. No interval covers a law that changes out "
                "there; measure closer by."
            )
            found.append(Check("F14", "warning", farthest, FAR, each.num_params, message))
    if found:
        return found
    most = max((max(each.x_outside, each.size_outside) for each in predictions), default=None)
    message = "No prediction lies more than one observed range of ln x or ln N outside what was seen."
    return [Check("F14", "ok", most, FAR, None, message)]


def _f06(each: Prediction) -> list[Check]:
    top = math.nan if each.mean is None else each.mean.high
    if each.loss >= 1.0:
        message = f"{short(each.num_params)} at x = {amount(each.x)}: the law puts the loss above 1; it is cut there."
        return [Check("F06", "warning", each.loss, 1.0, each.num_params, message)]
    if top >= 1.0:
        message = f"{short(each.num_params)} at x = {amount(each.x)}: the interval reaches a loss of 1, where it ends."
        return [Check("F06", "note", top, 1.0, each.num_params, message)]
    return []


def _oracle(each: Prediction) -> list[Check]:
    if each.label != "oracle_level":
        return []
    message = f"{short(each.num_params)} at x = {amount(each.x)} used evaluations that were set aside: no prediction."
    return [Check("ORACLE", "warning", None, None, each.num_params, message)]


def _sizes(source: Source) -> list[Check]:
    count = len(source.trained_on)
    if source.k_form == "free" or count >= (needed := form_named(source.k_form).fitted_from):
        return []
    message = f"{count} size{'s' if count > 1 else ''}: each keeps its own slope, no other size can be forecast."
    return [Check("SIZES", "note", float(count), float(needed), None, message)]


def _bound(source: Source) -> list[Check]:
    made = source.estimate
    if made.form is None or made.theta is None or not made.form.at_bound(made.theta, made.design.sizes):
        return []
    message = "The law stopped at the edge of its search box: what it says beyond the sizes seen is no estimate."
    return [Check("F07", "warning", float(made.theta[-1]), None, None, message)]


def _identified(source: Source, curves: Sequence[SizeCurve]) -> list[Check]:
    """Only a size beyond the largest seen depends on where k ends up."""
    beyond = [each.num_params for each in curves if each.num_params > source.trained_on[-1]]
    verdict = identify(source.estimate, source.k_form)
    if verdict.verdict == "no_learning":
        return [Check("IDENTIFIED", "warning", None, None, None, verdict.message)]
    if not beyond or verdict.verdict not in ("kmax_not_identified", "one_sided"):
        return []
    message = f"{', '.join(map(short, beyond))} lies beyond the largest size seen. {verdict.message}"
    return [Check("IDENTIFIED", "note", verdict.largest_size_over_n0, None, beyond[-1], message)]


def _misfit(source: Source) -> list[Check]:
    scatter = law_scatter(source.estimate)
    if scatter is None:
        return []
    message = (
        f"The slopes scatter about the law by {scatter[0]:.4f} more than their errors explain; the intervals include "
        "that scatter, the law does not. A free slope for every size (k_form free) describes the sizes seen better."
    )
    return [Check("F08", "note", scatter[0], None, None, message)]


def _levels(curves: Sequence[SizeCurve]) -> list[Check]:
    found = []
    for each in curves:
        if each.level <= LOWEST_LOG_LOSS + 1e-6:
            message = f"The level of {short(each.num_params)} is at the lowest loss that is fitted: it had no failures."
            found.append(Check("LEVEL", "warning", math.exp(each.level), None, each.num_params, message))
        if not each.is_seen:
            message = f"The level of {short(each.num_params)} is taken from a line in ln N through the nearest sizes."
            found.append(Check("LEVEL", "note", None, None, each.num_params, message))
        if each.k <= 0:
            message = f"The curve of {short(each.num_params)} does not fall (k = {each.k:.4f}): it learns nothing."
            found.append(Check("F05", "warning", each.k, 0.0, each.num_params, message))
    return found


def _seeds(source: Source) -> Check:
    fewest = int(np.bincount(source.estimate.design.run_size).min())
    if fewest > 1:
        return Check("SEEDS", "ok", float(fewest), 2.0, None, f"At least {fewest} seeds for every size.")
    if source.estimate.design.num_runs > source.estimate.design.num_sizes:
        message = "One seed at some sizes: how far runs of them differ is taken from the others. Add seeds."
        return Check("SEEDS", "note", 1.0, 2.0, None, message)
    message = "One seed: nothing shows how far runs differ, so the intervals, of new runs above all, are too narrow."
    return Check("SEEDS", "warning", 1.0, 2.0, None, message)


def _unsure(curves: Sequence[SizeCurve]) -> list[Check]:
    if all(each.drawn_k is not None for each in curves):
        return []
    message = "No intervals: no draws were asked for, or runs are too short and too few to show their noise."
    return [Check("UNSURE", "warning", None, None, None, message)]
