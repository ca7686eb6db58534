"""What belongs beside every inter-model fit: its repeats, its window, its settings, and how settled its form is.

These are no failures of the law but limits of what it can be quoted for.
"""

from collections.abc import Sequence

import numpy as np

from scaling.inter_model.estimate import Estimate
from scaling.inter_model.results import FormChoice, SizeFit
from scaling.observations import Observations
from scaling.regression.spread import MIN_EVALUATIONS
from scaling.results import Check
from scaling.wording import short


def check_seeds(sizes: Sequence[SizeFit]) -> Check:
    """How many repeats the variance between runs rests on."""
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


def check_short_runs(sizes: Sequence[SizeFit]) -> list[Check]:
    """Runs too short for an interval of their own."""
    short_sizes = [s for s in sizes if max(run.num_evaluations for run in s.runs) < MIN_EVALUATIONS]
    if not short_sizes:
        return []
    fewest = min(max(run.num_evaluations for run in size.runs) for size in short_sizes)
    named = ", ".join(short(size.num_params) for size in short_sizes)
    consequence = (
        "no interval from within runs"
        if len(short_sizes) == len(sizes)
        else "how their noise correlates is taken from the longer runs"
    )
    message = (
        f"Fewer than {MIN_EVALUATIONS} evaluations a run inside the window (least: {fewest}) at {named}: "
        f"{consequence}. Evaluate more often, or widen the window."
    )
    return [Check("SHORT", "note", float(fewest), float(MIN_EVALUATIONS), short_sizes[0].num_params, message)]


def check_window(sizes: Sequence[SizeFit]) -> list[Check]:
    """Whether the two halves of the window agree on k."""
    moved = []
    for size in sizes:
        if size.k_first_half is None or size.k_second_half is None or size.k_halves_se is None:
            continue
        change = size.k_second_half - size.k_first_half
        if abs(change) > 2 * size.k_halves_se and abs(change) > 0.25 * abs(size.k):
            moved.append((abs(change), size))
    if not moved:
        if any(size.k_halves_se is None for size in sizes):
            return []
        return [Check("WINDOW", "ok", None, 2.0, None, "k agrees between the first and second half of the window.")]
    change, worst = max(moved, key=lambda pair: pair[0])
    z = change / worst.k_halves_se if worst.k_halves_se else None
    names = ", ".join(short(size.num_params) for _, size in moved)
    message = (
        f"k depends on the fit window at {names}: at {short(worst.num_params)} it is {worst.k_first_half:.3f} in the "
        f"first half of ln X and {worst.k_second_half:.3f} in the second. Quote the window with every k."
    )
    return [Check("WINDOW", "warning", z, 2.0, worst.num_params, message)]


def check_learning_rate(observations: Observations, sizes: Sequence[SizeFit]) -> list[Check]:
    """Size and learning rate cannot be told apart where all sizes share one rate."""
    rates = np.unique(observations.learning_rate[observations.where("train")])
    if len(sizes) < 2 or len(rates) != 1 or np.isnan(rates[0]):
        return []
    message = (
        f"All sizes share one learning rate ({rates[0]:g}). At a fixed rate wider networks move more per step, so part "
        "of the rise of k with N may be the rate, not the size. Tune the rate per size to tell them apart."
    )
    return [Check("LR", "note", float(rates[0]), None, None, message)]


def check_form(estimate: Estimate, choice: FormChoice | None) -> list[Check]:
    """Whether another k(N) describes or forecasts the sizes as well as the one that was asked for."""
    if estimate.form is None or choice is None:
        return []
    asked = estimate.form.name
    others = [name for name in (choice.preferred, *choice.rivals) if name not in (None, asked)]
    if choice.preferred == asked and not others:
        return [Check("FORM", "ok", None, None, None, f"No other k(N) does better than {asked}.")]
    if choice.preferred not in (None, asked):
        message = f"Another form of k(N) than {asked} is preferred. {choice.message} Do not claim {asked} growth."
    else:
        message = f"The form of k(N) is not settled. {choice.message} Do not claim {asked} growth from this fit."
    return [Check("FORM", "note", None, None, None, message)]
