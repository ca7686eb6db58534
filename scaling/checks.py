"""Signs that a law should not be believed, each with the number it was judged by and what to do about it.

Codes F01-F15 are the failure signatures of a scaling study of RL post-training; the ones found here need a single
inter-model fit. Words in capitals are notes that belong beside every such fit. A check that cannot be made says so.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy.special import fdtrc

from scaling.estimate import Estimate
from scaling.intervals import MIN_EVALUATIONS
from scaling.linearity import curvature
from scaling.observations import Observations
from scaling.results import Check, Forecast, FormComparison, SizeFit
from scaling.wording import short

FORECAST_TOLERANCE = 0.05


def run_checks(
    observations: Observations,
    estimate: Estimate,
    *,
    sizes: Sequence[SizeFit],
    forms: Sequence[FormComparison],
    forecasts: Sequence[Forecast],
) -> tuple[Check, ...]:
    """Every check, failure signatures first."""
    trained = [size for size in sizes if not size.held_out]
    return (
        _f01_log_linear(estimate),
        *_f03_forecast(forecasts),
        *_f05_order(trained),
        *_f06_range(observations, trained),
        *_f07_bound(estimate),
        *_f08_lack_of_fit(estimate),
        *_f15_mixture(observations),
        _seeds(trained),
        *_short_runs(trained),
        *_window(trained),
        *_learning_rate(observations, trained),
        *_form(estimate, forms),
    )


def _f01_log_linear(estimate: Estimate) -> Check:
    test = curvature(estimate.design, estimate.free)
    if test is None:
        return Check("F01", "note", None, 0.01, None, "Too few evaluations to test whether ln L is straight in ln X.")
    p_value, bent = test
    if p_value >= 0.01:
        return Check("F01", "ok", p_value, 0.01, None, "No curvature of ln L in ln X beyond noise.")
    where = ", ".join(short(estimate.design.sizes[size]) for size in bent) or "all sizes together"
    message = (
        f"ln L bends in ln X ({where}): k depends on the fit window. Plot the residuals, move the window, "
        "or fit a form with a plateau."
    )
    return Check("F01", "warning", p_value, 0.01, None, message)


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
    inside = forecast.covered is not False
    message = f"The final loss of {size}, forecast without any of its evaluations, is {error:+.1%} off" + (
        ", inside a wide 95% interval: add sizes or seeds before relying on it."
        if inside
        else ", outside its 95% interval: do not extrapolate this law."
    )
    return Check(
        "F03", "note" if inside else "warning", error, FORECAST_TOLERANCE, forecast.target_size, message
    )  # fmt: skip


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
    pair = f"{short(small.num_params)} and {short(large.num_params)}"
    if gap < -2 * se:
        message = f"k falls between {pair} ({gap:+.4f}, standard error {se:.4f}): not a law that rises with N."
        return [Check("F05", "warning", gap / se, -2.0, large.num_params, message)]
    if abs(gap) <= 2 * se:
        message = f"k of {pair} differ by {gap:+.4f}, standard error {se:.4f}: their order is not established."
        return [Check("F05", "note", gap / se, 2.0, large.num_params, message)]
    return []


def _f06_range(observations: Observations, sizes: Sequence[SizeFit]) -> list[Check]:
    found = []
    for size in sizes:
        k = size.k if size.k_law is None else size.k_law
        start = math.exp(size.level + k * (math.log(size.level_x) - math.log(size.x_min)))
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
    if estimate.form is None or estimate.theta is None or estimate.form.bounds is None:
        return []
    if estimate.form.at_bound(estimate.theta, estimate.design.sizes):
        message = "The fit stopped at the edge of its search box: its parameters are not estimates."
        return [Check("F07", "warning", float(estimate.theta[-1]), None, None, message)]
    return [Check("F07", "ok", None, None, None, "No parameter sits at the edge of its search box.")]


def _f08_lack_of_fit(estimate: Estimate) -> list[Check]:
    scales = [estimate.spread.widest(size) for size in range(estimate.design.num_sizes)]
    df = estimate.design.num_sizes - (0 if estimate.theta is None else len(estimate.theta))
    if estimate.theta is None or None in scales or df < 1:
        return []
    variance = np.array([scale[0] for scale in scales if scale is not None]) / estimate.free.xx
    if not np.all(variance > 0):
        return []
    gaps = estimate.free.slopes - estimate.law_slopes()
    q = float(np.sum(gaps**2 / variance))
    noise_df = float(estimate.spread.within_df.sum())
    if estimate.spread.between is not None:
        noise_df = min(noise_df, estimate.spread.between_df)
    p_value = float(fdtrc(df, noise_df, q / df))
    if p_value >= 0.001:
        return [Check("F08", "ok", p_value, 0.001, None, f"The slopes agree with the law (Q = {q:.1f} on {df}).")]
    worst = int(np.argmax(gaps**2 / variance))
    message = (
        f"The slopes scatter about the law more than their errors allow (Q = {q:.1f} on {df} degrees of freedom, "
        f"worst at {short(estimate.design.sizes[worst])}): the law is a summary, not the truth."
    )
    return [Check("F08", "warning", p_value, 0.001, int(estimate.design.sizes[worst]), message)]


def _f15_mixture(observations: Observations) -> list[Check]:
    train = observations.where("train")
    settings: dict[str, list[object]] = {
        "model": list(observations.model),
        "group size": observations.group_size.tolist(),
        "tau": np.nan_to_num(observations.tau, nan=-1.0).tolist(),
        "learning rate": observations.learning_rate.tolist(),
    }
    found = []
    for name, values in settings.items():
        for size in observations.sizes():
            used = {values[i] for i in np.flatnonzero(train & (observations.num_params == size))}
            if len(used) > 1:
                message = (
                    f"Runs of {short(size)} differ in {name} ({len(used)} values) and are fitted as repeats of one "
                    "configuration. Select one, or read the slope as an average over them."
                )
                found.append(Check("F15", "warning", float(len(used)), 1.0, size, message))
                break
    return found


def _seeds(sizes: Sequence[SizeFit]) -> Check:
    fewest = min(len(size.runs) for size in sizes)
    if fewest == 1:
        message = "One seed: no between-run variance, so the intervals are too narrow. Add seeds."
        return Check("SEEDS", "warning", 1.0, 2.0, None, message)
    if fewest == 2:
        repeats = sum(len(size.runs) - 1 for size in sizes)
        pairs = f"{repeats} difference{'s' if repeats > 1 else ''}"
        message = f"Two seeds a size: the variance between runs rests on {pairs}. A third would help."
        return Check("SEEDS", "note", 2.0, 3.0, None, message)
    return Check("SEEDS", "ok", float(fewest), 3.0, None, f"At least {fewest} seeds for every size.")


def _short_runs(sizes: Sequence[SizeFit]) -> list[Check]:
    short_sizes = [s for s in sizes if max(run.num_evaluations for run in s.runs) < MIN_EVALUATIONS]
    if not short_sizes:
        return []
    fewest = min(max(run.num_evaluations for run in size.runs) for size in short_sizes)
    message = (
        f"Fewer than {MIN_EVALUATIONS} evaluations a run inside the window (least: {fewest}): no interval from within "
        "runs. Evaluate more often, or widen the window."
    )
    return [Check("SHORT", "note", float(fewest), float(MIN_EVALUATIONS), short_sizes[0].num_params, message)]


def _window(sizes: Sequence[SizeFit]) -> list[Check]:
    moved = []
    for size in sizes:
        if size.k_first_half is None or size.k_second_half is None or size.k_halves_se is None:
            continue
        change = size.k_second_half - size.k_first_half
        if abs(change) > 2 * size.k_halves_se and abs(change) > 0.25 * abs(size.k):
            moved.append((abs(change) / size.k_halves_se, size))
    if not moved:
        if any(size.k_halves_se is None for size in sizes):
            return []
        return [Check("WINDOW", "ok", None, 2.0, None, "k agrees between the first and second half of the window.")]
    z, worst = max(moved, key=lambda pair: pair[0])
    names = ", ".join(short(size.num_params) for _, size in moved)
    message = (
        f"k depends on the fit window at {names}: at {short(worst.num_params)} it is {worst.k_first_half:.3f} in the "
        f"first half of ln X and {worst.k_second_half:.3f} in the second. Quote the window with every k."
    )
    return [Check("WINDOW", "warning", z, 2.0, worst.num_params, message)]


def _learning_rate(observations: Observations, sizes: Sequence[SizeFit]) -> list[Check]:
    rates = np.unique(observations.learning_rate[observations.where("train")])
    if len(sizes) < 2 or len(rates) != 1 or np.isnan(rates[0]):
        return []
    message = (
        f"All sizes share one learning rate ({rates[0]:g}). At a fixed rate wider networks move more per step, so part "
        "of the rise of k with N may be the rate, not the size. Tune the rate per size to tell them apart."
    )
    return [Check("LR", "note", float(rates[0]), None, None, message)]


def _form(estimate: Estimate, forms: Sequence[FormComparison]) -> list[Check]:
    if estimate.form is None or not forms:
        return []
    asked = next(each for each in forms if each.k_form == estimate.form.name)
    rivals = [each for each in forms if each.k_form not in (asked.k_form, "free")]
    close = [each for each in rivals if each.aicc is not None and asked.aicc is not None and each.aicc < asked.aicc + 4]
    forecast = [
        each
        for each in rivals
        if each.forecast_error is not None
        and asked.forecast_error is not None
        and each.forecast_error < asked.forecast_error
    ]
    free = next(each for each in forms if each.k_form == "free")
    parts = []
    if free.aicc is not None and asked.aicc is not None and free.aicc < asked.aicc - 4:
        parts.append(f"AICc prefers a slope for every size to this law ({_signed_delta(free, asked)})")
    if close:
        parts.append("AICc does not rule out " + ", ".join(f"{r.k_form} ({_signed_delta(r, asked)})" for r in close))
    if forecast:
        parts.append("larger sizes are forecast better by " + ", ".join(each.k_form for each in forecast))
    if not parts:
        return [Check("FORM", "ok", None, None, None, f"No other k(N) does better than {asked.k_form}.")]
    message = f"The form of k(N) is not settled: {'; '.join(parts)}. Do not claim {asked.k_form} growth from this fit."
    return [Check("FORM", "note", None, None, None, message)]


def _signed_delta(rival: FormComparison, asked: FormComparison) -> str:
    assert rival.aicc is not None
    assert asked.aicc is not None
    return f"{rival.aicc - asked.aicc:+.1f}"
