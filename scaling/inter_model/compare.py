"""Which k(N)? Every family on the same slopes: forecasts of larger sizes, AICc, and whether it fits at all.

Pooled R^2 plays no part: with one level per size, a law that learns nothing already explains most of it.
"""

import math
from dataclasses import replace

import numpy as np
from scipy.special import fdtrc

from scaling.inter_model.estimate import MIN_SIZES_FOR_LAW, Estimate
from scaling.inter_model.held_out import chain, slope_variances
from scaling.inter_model.results import FormComparison
from scaling.laws.k_forms import K_FORMS, KForm
from scaling.observations import FloatArray


def compare_forms(estimate: Estimate) -> tuple[FormComparison, ...]:
    """All families that so many sizes can bear and the free slopes, best AICc first; empty below three sizes."""
    design, moments = estimate.design, estimate.compared
    if design.num_sizes < MIN_SIZES_FOR_LAW:
        return ()
    compared = [_one(estimate, form) for form in K_FORMS.values() if design.num_sizes >= form.compared_from]
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
    if spread.noise_ratio is not None:
        inflation = max(inflation, spread.noise_ratio)
    num_free = len(estimate.design.rows) - estimate.design.num_runs
    effective = num_free / inflation
    count = num_parameters + 1
    if effective - count - 1 <= 0 or rss <= 0:
        return None
    return effective * math.log(rss / num_free) + 2 * count * effective / (effective - count - 1)


def lack_of_fit(estimate: Estimate, slopes: FloatArray, num_parameters: int) -> tuple[float, int, float] | None:
    """Q = sum (k_i - slopes_i)^2 / Var(k_i), its degrees of freedom, and p: is the law exact but for noise?

    None where the noise is not known, and for a law with as many numbers as there are sizes.
    """
    variances = slope_variances(estimate)
    df = estimate.design.num_sizes - num_parameters
    if variances is None or df < 1:
        return None
    q = float(np.sum((estimate.free.slopes - slopes) ** 2 / variances))
    noise_df = float(estimate.spread.within_df.sum())
    if estimate.spread.between is not None:
        noise_df = min(noise_df, estimate.spread.between_df)
    return q, df, float(fdtrc(df, noise_df, q / df))


def _one(estimate: Estimate, form: KForm) -> FormComparison:
    design, moments = estimate.design, estimate.compared
    theta = form.solve(design.sizes, moments.xx[None], moments.xk[None])
    slopes = form.slopes(theta, design.sizes)[0]
    rss = moments.rss(slopes)
    links = chain(estimate, form)
    errors = tuple((link.target, link.predicted / link.actual - 1) for link in links if link.actual > 0)
    scores = tuple((link.target, link.log_score) for link in links if link.log_score is not None)
    misfit = lack_of_fit(estimate, slopes, len(form.parameters))
    return FormComparison(
        k_form=form.name,
        theta=tuple(theta[0].tolist()),
        num_parameters=len(form.parameters),
        rss=rss,
        aicc=aicc(estimate, rss, len(form.parameters)),
        forecast_errors=errors,
        forecast_error=float(np.mean([abs(error) for _, error in errors])) if errors else None,
        largest_k_forecast=links[-1].predicted if links else None,
        log_scores=scores,
        log_score=float(np.mean([score for _, score in scores])) if scores else None,
        lack_of_fit=None if misfit is None else misfit[2],
    )


def _ranked(compared: list[FormComparison]) -> tuple[FormComparison, ...]:
    """Best AICc first; forms too rich for an AICc come last, by their forecasts."""
    scored = [(each, each.aicc) for each in compared if each.aicc is not None]
    best = min((score for _, score in scored), default=0.0)
    total = sum(math.exp(-(score - best) / 2) for _, score in scored)
    weighed = [
        replace(each, delta_aicc=score - best, akaike_weight=math.exp(-(score - best) / 2) / total)
        for each, score in sorted(scored, key=lambda pair: pair[1])
    ]
    others = sorted((each for each in compared if each.aicc is None), key=_by_forecasts)
    return (*weighed, *others)


def _by_forecasts(form: FormComparison) -> tuple[float, float]:
    score = -math.inf if form.log_score is None else form.log_score
    return -score, math.inf if form.forecast_error is None else form.forecast_error
