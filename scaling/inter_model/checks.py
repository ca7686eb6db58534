"""Signs that a law should not be believed, each with the number it was judged by and what to do about it.

Codes F01-F15 are the failure signatures of a scaling study of RL post-training; the ones found here need a single
inter-model fit. Words in capitals are notes that belong beside every such fit. A check that cannot be made says so.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from scaling.inter_model.compare import lack_of_fit
from scaling.inter_model.data_checks import (
    check_configuration,
    check_cost,
    check_ends,
    check_nominal_sizes,
    check_seed_spread,
)
from scaling.inter_model.estimate import Estimate
from scaling.inter_model.held_out import slope_variances
from scaling.inter_model.notes import (
    check_form,
    check_learning_rate,
    check_seeds,
    check_short_runs,
    check_window,
)
from scaling.inter_model.results import Forecast, FormChoice, SizeFit
from scaling.inter_model.straightness import check_straightness
from scaling.observations import Observations
from scaling.results import Check
from scaling.run_conditions import check_curriculum, check_truncation
from scaling.wording import short

FORECAST_TOLERANCE = 0.05
FAR = 1.0  # observed log-ranges


def run_checks(
    observations: Observations,
    estimate: Estimate,
    *,
    sizes: Sequence[SizeFit],
    forecasts: Sequence[Forecast],
    choice: FormChoice | None = None,
) -> tuple[Check, ...]:
    """Every check, failure signatures first."""
    trained = [size for size in sizes if not size.held_out]
    return (
        *check_straightness(estimate),
        *_f03_forecast(forecasts),
        *_f05_order(trained),
        *_f06_range(observations, trained),
        *_f07_bound(estimate),
        *_f08_lack_of_fit(estimate),
        *check_seed_spread(estimate),
        check_truncation(observations),
        *_f14_distance(forecasts),
        *check_configuration(observations),
        *check_ends(estimate),
        *check_cost(observations, estimate),
        *check_nominal_sizes(trained),
        check_seeds(trained),
        *check_short_runs(trained),
        *check_window(trained),
        *check_learning_rate(observations, trained),
        *check_form(estimate, choice),
        check_curriculum(),
    )


def _f03_forecast(forecasts: Sequence[Forecast]) -> list[Check]:
    zero_shot = [each for each in forecasts if each.mode == "zero_shot" and each.quantity == "loss"]
    if not zero_shot:
        message = "No forecast of the largest size: it takes three smaller sizes to fit the law and one to test it."
        return [Check("F03", "note", None, FORECAST_TOLERANCE, None, message)]
    return [_f03(each) for each in zero_shot]


def _f03(forecast: Forecast) -> Check:
    error = forecast.relative_error
    size = short(forecast.target_size)
    if error is None or abs(error) <= FORECAST_TOLERANCE:
        message = f"The smaller sizes forecast the final loss of {size} within {FORECAST_TOLERANCE:.0%}."
        return Check("F03", "ok", error, FORECAST_TOLERANCE, forecast.target_size, message)
    consequence = {
        True: ", inside a wide 95% interval: this study cannot tell it any better. Add sizes or seeds.",
        False: ", outside its 95% interval: do not extrapolate this law.",
        None: ", and there is no interval to judge that by: evaluate more often or add seeds.",
    }[forecast.covered]
    message = f"The final loss of {size}, forecast without any of its evaluations, is {error:+.1%} off{consequence}"
    return Check("F03", "warning", error, FORECAST_TOLERANCE, forecast.target_size, message)


def _f05_order(sizes: Sequence[SizeFit]) -> list[Check]:
    found = []
    for size in sizes:
        if size.k_interval is not None and size.k_interval.high < 0:
            message = f"{short(size.num_params)} gets worse with training (k < 0): look at its runs before any law."
            found.append(Check("F05", "warning", size.k, 0.0, size.num_params, message))
        elif size.k < 0:
            message = f"{short(size.num_params)} has a negative slope, not distinguishable from zero."
            found.append(Check("F05", "note", size.k, 0.0, size.num_params, message))
    for small, large in itertools.pairwise(sizes):
        found += _pair(small, large)
    if found or len(sizes) < 2 or any(size.k_se is None for size in sizes):
        return found
    return [Check("F05", "ok", None, None, None, "k rises with N at every step of the ladder.")]


def _pair(small: SizeFit, large: SizeFit) -> list[Check]:
    gap = large.k - small.k
    if small.k_se is None or large.k_se is None:
        return []
    se = math.hypot(small.k_se, large.k_se)
    z = gap / se if se > 0 else None
    pair = f"{short(small.num_params)} and {short(large.num_params)}"
    if gap < -2 * se:
        message = f"k falls between {pair} ({gap:+.4f}, standard error {se:.4f}): not a law that rises with N."
        return [Check("F05", "warning", z, -2.0, large.num_params, message)]
    if abs(gap) <= 2 * se:
        message = f"k of {pair} differ by {gap:+.4f}, standard error {se:.4f}: their order is not established."
        return [Check("F05", "note", z, 2.0, large.num_params, message)]
    return []


def _f06_range(observations: Observations, sizes: Sequence[SizeFit]) -> list[Check]:
    found = []
    for size in sizes:
        k = size.k if size.k_law is None else size.k_law
        start = math.exp(min(size.level + k * math.log(size.level_x / size.x_min), 700.0))
        if start > 1:
            message = f"The law puts the loss of {short(size.num_params)} above 1 at the start of the window."
            found.append(Check("F06", "warning", start, 1.0, size.num_params, message))
    dropped = observations.where("clipped") | observations.where("unusable")
    for lost in sorted(set(observations.num_params[dropped].tolist())):
        rows = int(np.sum(dropped & (observations.num_params == lost)))
        reason = next(observations.reason[i] for i in np.flatnonzero(dropped & (observations.num_params == lost)))
        message = f"{short(lost)}: {rows} evaluations left out ({reason})."
        found.append(Check("F06", "note", float(rows), 0.0, lost, message))
    return found


def _f07_bound(estimate: Estimate) -> list[Check]:
    if estimate.form is None or estimate.theta is None or estimate.form.boxes is None:
        return []
    if estimate.form.at_bound(estimate.theta, estimate.design.sizes):
        message = "The fit stopped at the edge of its search box: its parameters are not estimates."
        return [Check("F07", "warning", float(estimate.theta[-1]), None, None, message)]
    return [Check("F07", "ok", None, None, None, "No parameter sits at the edge of its search box.")]


def _f08_lack_of_fit(estimate: Estimate) -> list[Check]:
    variances = slope_variances(estimate)
    slopes = estimate.law_slopes()
    found = None if estimate.theta is None else lack_of_fit(estimate, slopes, len(estimate.theta))
    if found is None or variances is None:
        return []
    q, df, p_value = found
    if p_value >= 0.001:
        return [Check("F08", "ok", p_value, 0.001, None, f"The slopes agree with the law (Q = {q:.1f} on {df}).")]
    worst = int(np.argmax((estimate.free.slopes - slopes) ** 2 / variances))
    message = (
        f"The slopes scatter about the law more than their errors allow (Q = {q:.1f} on {df} degrees of freedom, "
        f"worst at {short(estimate.design.sizes[worst])}): the law is a summary, not the truth."
    )
    return [Check("F08", "warning", p_value, 0.001, int(estimate.design.sizes[worst]), message)]


def _f14_distance(forecasts: Sequence[Forecast]) -> list[Check]:
    """How far forecasts reach beyond what was seen: in ln N, and in ln x."""
    made = [each for each in forecasts if each.mode in ("zero_shot", "kshot") and each.quantity == "loss"]
    if not made:
        return []
    found = []
    for target in sorted({each.target_size for each in made}):
        mine = [each for each in made if each.target_size == target]
        for what, outside in (
            ("its size", max(each.size_outside for each in mine)),
            ("its last x", max(each.x_outside for each in mine)),
        ):
            if outside > FAR:
                message = (
                    f"The forecast of {short(target)} is far off: {what} lies {outside:.1f} times the whole observed "
                    "log-range beyond what was seen. No interval covers a law that changes out there: train a size or "
                    "a budget in between first."
                )
                found.append(Check("F14", "warning", outside, FAR, target, message))
    if found:
        return found
    farthest = max(max(each.size_outside, each.x_outside) for each in made)
    message = "No forecast reaches further beyond what was seen than the observed log-range."
    return [Check("F14", "ok", farthest, FAR, None, message)]
