"""How does learning efficiency depend on model size? The inter-model fit, from observations to everything found out.

ln L = E - k(N) ln X, with a level E for every run and one k per size. `fit_inter_model` is pure and deterministic:
equal data and arguments give equal results to the byte. It writes nothing and prints nothing.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from scaling.admission import admit
from scaling.errors import FitError
from scaling.inter_model.checks import run_checks
from scaling.inter_model.choice import choose_form
from scaling.inter_model.compare import compare_forms
from scaling.inter_model.estimate import Estimate, estimate
from scaling.inter_model.forecasts import describe_in_sample, forecast, target_of
from scaling.inter_model.identification import identify
from scaling.inter_model.results import Forecast, ForecastLine, InterModelFit, Law
from scaling.inter_model.size_fits import size_fits
from scaling.laws.k_forms import K_FORMS
from scaling.observations import FloatArray, Observations
from scaling.regression.estimators import choose_estimator, dispersion
from scaling.regression.intervals import run_sd
from scaling.regression.robust import pull
from scaling.results import PointFit

K_FORM_NAMES = (*K_FORMS, "free")


def fit_inter_model(
    observations: Observations,
    *,
    k_form: str = "saturating",
    estimator: str = "auto",
    holdout: Collection[int] | None = None,
    draws: int = 1000,
    equal_size_weight: bool = False,
) -> InterModelFit:
    """Fit k(N) to all sizes, or to all but `holdout` (sizes in parameters), and test it.

    Without `holdout` the law uses every size, and the forecast of the largest comes from a second estimation that
    has not seen it. `draws` block-bootstrap resamples; 0 leaves only intervals from repeats. `equal_size_weight`: the
    law counts sizes alike, where some have far more evaluations than others.
    """
    if k_form not in K_FORM_NAMES:
        raise FitError(f"k(N) form {k_form!r} is unknown. Choose one of {', '.join(K_FORM_NAMES)}.")
    if holdout:
        observations = observations.hold_out(holdout)
    estimator = choose_estimator(estimator, observations)
    observations = admit(observations, estimator)
    law = estimate(
        observations,
        observations.where("train"),
        estimator=estimator,
        k_form=k_form,
        draws=draws,
        equal_size_weight=equal_size_weight,
    )
    sizes = size_fits(observations, law, estimator)
    forms = compare_forms(law)
    choice = choose_form(forms, float(law.design.sizes[-1]))
    forecasts, line = _forecasts(
        observations, law, estimator=estimator, k_form=k_form, draws=draws, equal_size_weight=equal_size_weight
    )
    slopes = law.law_slopes()
    return InterModelFit(
        x_kind=observations.x_kind,
        benchmark=observations.benchmark,
        protocol=observations.protocol,
        from_x=observations.from_x,
        to_x=observations.to_x,
        k_form=k_form,
        estimator=estimator,
        draws=draws,
        data_sha256=observations.data_sha256,
        num_points=len(law.design.rows),
        num_effective=len(law.design.rows) / law.spread.inflation,
        num_runs=law.design.num_runs,
        rss=law.law_moments.rss(slopes),
        phi=dispersion(observations, law.design, law.free),
        run_sd=run_sd(law.design, law.free),
        autocorrelation=law.spread.autocorrelation,
        r2=_pooled_r2(law, slopes),
        r2_size_means=_pooled_r2(law, np.zeros_like(slopes)),
        sizes=sizes,
        law=Law(law.form.name, tuple(law.theta.tolist()), law.parameters())
        if law.form is not None and law.theta is not None
        else None,
        identification=identify(law, k_form),
        forms=forms,
        forecasts=forecasts,
        forecast_line=line,
        checks=run_checks(observations, law, sizes=sizes, forecasts=forecasts, choice=choice),
        points=_points(observations, law, slopes, estimator),
        form_choice=choice,
        equal_size_weight=equal_size_weight,
    )


def _forecasts(
    observations: Observations, law: Estimate, *, estimator: str, k_form: str, draws: int, equal_size_weight: bool
) -> tuple[tuple[Forecast, ...], ForecastLine | None]:
    """Forecasts of the sizes held out on request, or else of the largest size, set aside for this purpose only."""
    if law.form is None:
        return (), None
    held_out = observations.sizes("holdout")
    if held_out:
        made = [forecast(law, target_of(observations, size, "holdout", estimator)) for size in held_out]
        return tuple(each for forecasts, _ in made for each in forecasts), made[-1][1]
    largest = observations.sizes()[-1]
    in_sample = describe_in_sample(law, target_of(observations, largest, "train", estimator))
    if law.design.num_sizes <= law.form.fitted_from:
        return in_sample, None
    without = observations.hold_out([largest])
    smaller = estimate(
        without,
        without.where("train"),
        estimator=estimator,
        k_form=k_form,
        draws=draws,
        equal_size_weight=equal_size_weight,
    )
    forecasts, line = forecast(smaller, target_of(without, largest, "holdout", estimator))
    return (*forecasts, *in_sample), line


def _pooled_r2(law: Estimate, slopes: FloatArray) -> float | None:
    """R^2 of ln L over all points, with one level per size, for slopes of a law or (all zero) for none."""
    design, moments = law.design, law.law_moments
    log_loss = moments.y + moments.run_y[design.run]
    explained = log_loss + slopes[design.size] * design.log_x
    weight = moments.weight
    means = np.bincount(design.size, weight * explained) / np.bincount(design.size, weight)
    residual = explained - means[design.size]
    total = log_loss - np.average(log_loss, weights=weight)
    tss = float(weight @ total**2)
    return 1.0 - float(weight @ residual**2) / tss if tss > 0 else None


def _points(observations: Observations, law: Estimate, slopes: FloatArray, estimator: str) -> tuple[PointFit, ...]:
    points = [
        PointFit(int(evaluation), role, reason, None, None, None)
        for evaluation, role, reason in zip(
            observations.evaluation_id, observations.role, observations.reason, strict=True
        )
    ]
    design, moments = law.design, law.law_moments
    fitted = moments.run_y[design.run] - slopes[design.size] * moments.x
    weights, residual = moments.weight, moments.y + slopes[design.size] * moments.x
    if estimator == "huber":
        weights, residual = pull(design, moments, np.log(observations.loss[design.rows]), slopes)
    for row, weight, log_loss, gap in zip(design.rows, weights, fitted, residual, strict=True):
        points[row] = replace(
            points[row], weight=float(weight), fitted=float(np.exp(log_loss)), residual=float(gap)
        )  # fmt: skip
    return tuple(points)
