"""Which form of k(N) do the data prefer, and between which can they not tell?

Held-out sizes come first: of all forms whose forecasts of larger sizes are within one standard error of the best ones',
the one with the fewest numbers, and among equals the one with the lowest AICc. The standard error is that of the
difference, size by size: every form fails at the same hard sizes. In simulated studies of seven sizes this finds the
form in 92-100% of cases at a noise of .02 in ln L, AICc alone in 77-98%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from scaling.inter_model.results import FormChoice, FormComparison
from scaling.laws.k_forms import curve
from scaling.wording import short

MIN_TARGETS = 2  # a standard error takes two
CLOSE_AICC = 4.0
NO_SUPPORT = 10.0  # of AICc above the chosen form: the slopes themselves exclude it, whatever a few forecasts say
FAR_SIZE = 10.0  # times the largest size: where forms are shown to part
EXACT_P = 0.001


def choose_form(forms: Sequence[FormComparison], largest: float) -> FormChoice | None:
    """The choice among the forms compared, or None without any. `largest`: the largest size, in parameters."""
    laws = [form for form in forms if form.k_form != "free"]
    if not laws:
        return None
    losses = _losses(laws)
    near = _within_one_se(losses) if losses else [form.k_form for form in laws if form.aicc is not None]
    candidates = [form for form in laws if form.k_form in near]
    if not candidates:
        message = "Too few evaluations to compare forms of k(N): neither held-out sizes nor AICc can be had."
        return FormChoice(None, tuple(form.k_form for form in laws), "nothing", message)
    chosen = min(candidates, key=(lambda f: (f.num_parameters, _aicc(f))) if losses else _aicc)
    near = near if losses else []
    rivals = [
        form
        for form in laws
        if form is not chosen
        and (_is_within(form, chosen, CLOSE_AICC) or (form.k_form in near and _is_within(form, chosen, NO_SUPPORT)))
    ]
    free = next(form for form in forms if form.k_form == "free")
    targets = len(next(iter(losses.values()), {}))
    words = [f"{_preference(chosen, targets)}; {_rest([chosen, *rivals], largest)}."]
    if chosen.lack_of_fit is not None and chosen.lack_of_fit < EXACT_P:
        words.append("Its misfit is larger than noise, so it summarises the slopes and is not their law.")
    if _aicc(free) < _aicc(chosen) - CLOSE_AICC:
        words.append("AICc prefers a slope for every size to any form.")
    return FormChoice(
        preferred=chosen.k_form,
        rivals=tuple(form.k_form for form in rivals),
        by="held-out sizes" if losses else "AICc",
        message=" ".join(words),
    )


def _losses(laws: Sequence[FormComparison]) -> dict[str, dict[int, float]]:
    """Of each form by held-out size, lower is better, on the sizes that all have: minus log scores, or |errors|.

    A form with a single forecast is no candidate; empty where too few forecasts are shared.
    """
    scored = all(len(form.log_scores) >= len(form.forecast_errors) for form in laws)
    found = {
        form.k_form: {size: -score for size, score in form.log_scores}
        if scored
        else {size: abs(error) for size, error in form.forecast_errors}
        for form in laws
    }
    found = {name: by_size for name, by_size in found.items() if len(by_size) >= MIN_TARGETS}
    shared = set.intersection(*(set(by_size) for by_size in found.values())) if found else set()
    if len(shared) < MIN_TARGETS:
        return {}
    return {name: {size: by_size[size] for size in sorted(shared)} for name, by_size in found.items()}


def _within_one_se(losses: Mapping[str, Mapping[int, float]]) -> list[str]:
    table = {name: np.array(list(by_size.values())) for name, by_size in losses.items()}
    best = min(table.values(), key=lambda values: float(values.mean()))
    near = []
    for name, values in table.items():
        gap = values - best
        if gap.mean() <= gap.std(ddof=1) / math.sqrt(len(gap)) + 1e-12:
            near.append(name)
    return near


def _aicc(form: FormComparison) -> float:
    return math.inf if form.aicc is None else form.aicc


def _is_within(form: FormComparison, chosen: FormComparison, margin: float) -> bool:
    """Whether its AICc is less than the margin above the chosen one's; no verdict without AICc."""
    return _aicc(form) < _aicc(chosen) + margin if form.aicc is not None else chosen.aicc is None


def _preference(chosen: FormComparison, targets: int) -> str:
    if not targets:
        return f"Too few sizes to hold any out; AICc alone prefers {chosen.k_form} k(N)"
    error = "" if chosen.forecast_error is None else f", {chosen.forecast_error:.0%} off in k on average"
    return f"{targets} held-out sizes prefer {chosen.k_form} k(N){error}"


def _rest(open_forms: Sequence[FormComparison], largest: float) -> str:
    """Which other forms are left, and how far apart they are where it matters."""
    if len(open_forms) == 1:
        return "no other form does as well"
    far = [float(curve(form.k_form, form.theta, np.array([FAR_SIZE * largest]))[0]) for form in open_forms]
    names = ", ".join(form.k_form for form in open_forms[1:])
    return (
        f"these sizes cannot tell it from {names}, and at {short(FAR_SIZE * largest)} these forms put k anywhere from "
        f"{min(far):.3f} to {max(far):.3f}"
    )
