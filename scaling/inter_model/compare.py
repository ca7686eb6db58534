"""Which k(N)? Every family on the same slopes, scored by forecasts of larger sizes first and by AICc second.

Pooled R^2 plays no part: with one level per size, a law that learns nothing already explains most of it.
"""

import math
from dataclasses import replace

import numpy as np

from scaling.inter_model.estimate import MIN_SIZES_FOR_LAW, Estimate
from scaling.inter_model.results import FormComparison
from scaling.laws.k_forms import K_FORMS, KForm


def compare_forms(estimate: Estimate) -> tuple[FormComparison, ...]:
    """All families and the free slopes, best AICc first; empty below three sizes."""
    design, moments = estimate.design, estimate.free
    if design.num_sizes < MIN_SIZES_FOR_LAW:
        return ()
    compared = [_one(estimate, form) for form in K_FORMS.values()]
    free_rss = moments.rss(moments.slopes)
    compared.append(
        FormComparison(
            k_form="free",
            theta=tuple(moments.slopes.tolist()),
            num_parameters=design.num_sizes,
            rss=free_rss,
            aicc=aicc(estimate, free_rss, design.num_sizes),
        )
    )
    return _ranked(compared)


def aicc(estimate: Estimate, rss: float, num_parameters: int) -> float | None:
    """Corrected AIC of the slopes; None where the parameters use up the effective number of points.

    The levels of the runs are profiled out. What is left counts for less by the larger of two factors: the
    autocorrelation inside runs, and how much more runs of a size differ in slope than their residuals explain.
    """
    spread = estimate.spread
    inflation = spread.inflation
    if spread.between is not None and spread.point[0] > 0:
        inflation = max(inflation, float(spread.between[0] / spread.point[0]))
    num_free = len(estimate.design.rows) - estimate.design.num_runs
    effective = num_free / inflation
    count = num_parameters + 1
    if effective - count - 1 <= 0 or rss <= 0:
        return None
    return effective * math.log(rss / num_free) + 2 * count * effective / (effective - count - 1)


def _one(estimate: Estimate, form: KForm) -> FormComparison:
    design, moments = estimate.design, estimate.free
    theta = form.solve(design.sizes, moments.xx[None], moments.xk[None])
    rss = moments.rss(form.slopes(theta, design.sizes)[0])
    forecasts = [_forward(estimate, form, target) for target in range(MIN_SIZES_FOR_LAW, design.num_sizes)]
    errors = tuple(
        (int(design.sizes[MIN_SIZES_FOR_LAW + index]), predicted / actual - 1)
        for index, (predicted, actual) in enumerate(forecasts)
        if actual > 0
    )
    return FormComparison(
        k_form=form.name,
        theta=tuple(theta[0].tolist()),
        num_parameters=len(form.parameters),
        rss=rss,
        aicc=aicc(estimate, rss, len(form.parameters)),
        forecast_errors=errors,
        forecast_error=float(np.mean([abs(error) for _, error in errors])) if errors else None,
        largest_k_forecast=forecasts[-1][0] if forecasts else None,
    )


def _forward(estimate: Estimate, form: KForm, target: int) -> tuple[float, float]:
    """k of the target size from all smaller sizes, and its own free slope."""
    sizes, moments = estimate.design.sizes, estimate.free
    theta = form.solve(sizes[:target], moments.xx[None, :target], moments.xk[None, :target])
    return float(form.slopes(theta, sizes[target : target + 1])[0, 0]), float(moments.slopes[target])


def _ranked(compared: list[FormComparison]) -> tuple[FormComparison, ...]:
    scores = [each.aicc for each in compared if each.aicc is not None]
    if len(scores) < len(compared):
        return tuple(compared)
    best = min(scores)
    total = sum(math.exp(-(score - best) / 2) for score in scores)
    weighed = [
        replace(each, delta_aicc=score - best, akaike_weight=math.exp(-(score - best) / 2) / total)
        for each, score in zip(compared, scores, strict=True)
    ]
    return tuple(sorted(weighed, key=lambda each: each.delta_aicc or 0.0))
