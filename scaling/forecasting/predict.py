"""What test loss will a size reach at a budget, and which budget does a loss take?

`predict` and `budget_for` are pure and deterministic: equal data and arguments give equal results to the byte. They
write and print nothing. They refuse a size that was not seen where there is no law k(N) to take it from.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from scaling.errors import FitError
from scaling.forecasting.amounts import amount, span, unit_of
from scaling.forecasting.checks import prediction_checks, source_checks
from scaling.forecasting.curves import SizeCurve, size_curves
from scaling.forecasting.forms import form_checks, form_choice, losses_by_form
from scaling.forecasting.results import Budget, Prediction, Predictions
from scaling.forecasting.sources import Source, label_of, size_outside, source_of
from scaling.inter_model.results import FormComparison
from scaling.observations import FloatArray, Observations
from scaling.results import Check, Interval
from scaling.wording import short

LARGEST_LOG_X = 700.0  # beyond it there is no double, and no budget


def predict(
    observations: Observations,
    *,
    sizes: Sequence[int] | None = None,
    x: float | Sequence[float] | None = None,
    k_form: str = "saturating",
    estimator: str = "auto",
    holdout: Collection[int] | None = None,
    draws: int = 1000,
) -> Predictions:
    """The test loss of each of these sizes at each x, in the unit of the observations' axis.

    Without `sizes` every size that was run, held out or not; without `x` the largest one seen. `draws` of what the
    curves could be; 0 leaves out the intervals.
    """
    source = source_of(observations, k_form=k_form, estimator=estimator, holdout=holdout)
    return predictions_of(source, sizes=sizes, x=x, draws=draws)


def predictions_of(
    source: Source, *, sizes: Sequence[int] | None, x: float | Sequence[float] | None, draws: int
) -> Predictions:
    """The same from an estimation at hand. Whether it saw rows that were set aside shows in the labels."""
    observations = source.observations
    wanted = sorted({int(size) for size in sizes or (*source.trained_on, *observations.sizes("holdout"))})
    at = _budgets(source, x)
    _require_positive(wanted, "size")
    curves = size_curves(observations, source.estimate, wanted, estimator=source.estimator, draws=draws)
    choice, open_forms = form_choice(source)
    predictions = tuple(_prediction(source, curve, each, open_forms) for curve in curves for each in at)
    unit = unit_of(observations.x_kind)
    return Predictions(
        x_kind=observations.x_kind,
        benchmark=observations.benchmark,
        protocol=observations.protocol,
        k_form="free" if source.estimate.form is None else source.k_form,
        estimator=source.estimator,
        draws=draws,
        data_sha256=observations.data_sha256,
        trained_on=source.trained_on,
        predictions=predictions,
        checks=(
            *prediction_checks(predictions),
            *source_checks(source, curves),
            *form_checks(source, choice, predictions),
        ),
        summary=tuple(_in_words(each, unit) for each in predictions),
    )


def budget_for(
    observations: Observations,
    *,
    loss: float,
    size: int,
    k_form: str = "saturating",
    estimator: str = "auto",
    holdout: Collection[int] | None = None,
    draws: int = 1000,
) -> Budget:
    """The x at which the mean curve of a size reaches a loss, in the unit of the observations' axis.

    A curve that does not fall never reaches it. One that is below it everywhere seen reached it at an earlier x.
    """
    if not 0.0 < loss < 1.0:
        raise FitError(f"a loss of {loss:g} cannot be reached: losses are 1 - pass@1. Give one between 0 and 1.")
    source = source_of(observations, k_form=k_form, estimator=estimator, holdout=holdout)
    _require_positive([size], "size")
    (curve,) = size_curves(source.observations, source.estimate, [int(size)], estimator=source.estimator, draws=draws)
    reached = float(_reached(np.array([curve.level]), np.array([curve.k]), curve.centre, loss)[0])
    low, high, share = _span(curve, loss)
    x = _finite(reached)
    choice, open_forms = form_choice(source)
    predictions = () if x is None else (_prediction(source, curve, x, open_forms),)
    checks = [*source_checks(source, [curve]), *form_checks(source, choice, predictions)]
    if predictions:
        checks = [*prediction_checks(predictions), *checks]
    else:
        message = f"{short(size)} never gets to a loss of {loss:g}: its curve does not fall, or not fast enough."
        checks = [Check("NEVER", "warning", curve.k, 0.0, size, message), *checks]
    budget = Budget(
        num_params=int(size),
        loss=loss,
        x=x,
        low=low,
        high=high,
        share=share,
        label=None if x is None else label_of(source.observations, source.estimate.rows_seen, int(size), x),
        x_outside=None if x is None else curve.outside(reached),
        checks=tuple(checks),
        summary="",
    )
    return replace(budget, summary=_budget_in_words(budget, unit_of(observations.x_kind)))


def _prediction(source: Source, curve: SizeCurve, x: float, open_forms: Sequence[FormComparison]) -> Prediction:
    log_x = np.array([math.log(x)])
    mean = new_run = None
    if curve.drawn_k is not None:
        mean = _interval(curve.drawn(log_x)[:, 0], "draws of the mean curve")
        runs = "draws of a new run" if curve.run_gaps is not None else "draws of a new run, one seed: runs taken alike"
        new_run = _interval(curve.drawn_run(log_x)[:, 0], runs)
    return Prediction(
        num_params=curve.num_params,
        x=x,
        label=label_of(source.observations, source.estimate.rows_seen, curve.num_params, x),
        loss=math.exp(min(float(curve.log_loss(log_x)[0]), 0.0)),
        k=curve.k,
        mean=mean,
        new_run=new_run,
        x_outside=curve.outside(float(log_x[0])),
        size_outside=size_outside(source.trained_on, curve.num_params),
        other_forms=losses_by_form(curve, x, open_forms),
    )


def _interval(log_loss: FloatArray, method: str) -> Interval:
    low, high = np.quantile(log_loss, [0.025, 0.975], method="inverted_cdf")
    return Interval(math.exp(min(float(low), 0.0)), math.exp(min(float(high), 0.0)), method)


def _reached(level: FloatArray, k: FloatArray, centre: float, loss: float) -> FloatArray:
    """ln x at which curves reach a loss: infinity for one that does not fall and is above it, minus if below."""
    gap = level - math.log(loss)
    never = np.where(gap > 0, np.inf, -np.inf)
    with np.errstate(over="ignore"):
        reached: FloatArray = np.divide(gap, k, out=never.copy(), where=k > 1e-300) + np.where(k > 1e-300, centre, 0.0)
    return reached


def _span(curve: SizeCurve, loss: float) -> tuple[float | None, float | None, float | None]:
    if curve.drawn_k is None or curve.drawn_level is None:
        return None, None, None
    reached = _reached(curve.drawn_level, curve.drawn_k, curve.centre, loss)
    low, high = np.quantile(reached, [0.025, 0.975], method="inverted_cdf")  # no arithmetic with infinity
    return _finite(float(low)), _finite(float(high)), float(np.mean(curve.drawn_k > 0))


def _finite(log_x: float) -> float | None:
    return math.exp(log_x) if abs(log_x) < LARGEST_LOG_X else None


def _budgets(source: Source, x: float | Sequence[float] | None) -> list[float]:
    if x is None:
        return [float(np.exp(source.estimate.design.log_x.max()))]
    values = [float(each) for each in ([x] if isinstance(x, (int, float)) else x)]
    _require_positive(values, source.observations.x_kind)
    return values


def _require_positive(values: Sequence[float], what: str) -> None:
    if wrong := [each for each in values if not (each > 0 and math.isfinite(each))]:
        raise FitError(f"{what} = {', '.join(f'{each:g}' for each in wrong)} cannot be forecast. Give numbers above 0.")


def _in_words(each: Prediction, unit: str) -> str:
    """One sentence that a researcher can quote."""
    spans = [
        f"95% interval of {what} {interval.low:.4g} to {interval.high:.4g}"
        for interval, what in ((each.mean, "the mean curve"), (each.new_run, "a new run"))
        if interval is not None
    ]
    said = f"{short(each.num_params)} at {amount(each.x)} {unit}: a test loss of {each.loss:.4g}"
    return f"{said} ({'; '.join((*spans, each.label))})."


def _budget_in_words(budget: Budget, unit: str) -> str:
    if budget.x is None:
        return f"{short(budget.num_params)} does not reach a test loss of {budget.loss:g} at any budget."
    sure = "" if budget.share is None else span(budget.low, budget.high)
    return f"{short(budget.num_params)} reaches a test loss of {budget.loss:g} at {amount(budget.x)} {unit}{sure}."
