"""An inter-model fit as rows of the fit tables."""

from __future__ import annotations

from collections.abc import Sequence

from db.records import FitRecords
from scaling.inter_model.results import Forecast, InterModelFit, Parameter
from scaling.observations import Row
from scaling.records import Record, check_rows, fit_row, number, point_rows
from scaling.settings import FitSettings


def to_records(fit: InterModelFit, rows: Sequence[Row], settings: FitSettings) -> FitRecords:
    """The rows of a fit that was made of these evaluations with these settings."""
    return FitRecords(
        fit=_fit(fit, settings),
        parameters=[*_law_parameters(fit), *_size_parameters(fit)],
        points=point_rows(fit.points, rows),
        holdouts=[_holdout(forecast) for forecast in fit.forecasts],
        forms=[
            {
                "rank": rank, "form": form.k_form, "num_parameters": form.num_parameters, "rss": form.rss,
                "aicc": form.aicc, "delta_aicc": form.delta_aicc, "akaike_weight": form.akaike_weight,
                "holdout_error": form.forecast_error, "log_score": form.log_score, "lack_of_fit": form.lack_of_fit,
                "is_preferred": form.k_form == fit.preferred_form,
            }
            for rank, form in enumerate(fit.forms, start=1)
        ],
        checks=check_rows(fit.checks),
    )  # fmt: skip


def _fit(fit: InterModelFit, settings: FitSettings) -> Record:
    asked = [form for form in fit.forms if fit.law and form.k_form == fit.law.k_form]
    return fit_row(
        scope="inter-model",
        x=fit.x_kind,
        settings=settings.stored(
            k_form=fit.k_form, estimator=fit.estimator, draws=fit.draws, equal_size_weight=fit.equal_size_weight
        ),
        data_sha256=fit.data_sha256,
        num_points=fit.num_points,
        benchmark=fit.benchmark,
        protocol=fit.protocol,
        k_form=fit.law.k_form if fit.law else "free",
        estimator=fit.estimator,
        num_effective=fit.num_effective,
        num_sizes=len(fit.training_sizes),
        num_runs=fit.num_runs,
        num_parameters=fit.num_runs + (len(fit.law.theta) if fit.law else len(fit.training_sizes)),
        phi=fit.phi,
        run_sd=fit.run_sd,
        deviance=fit.rss,
        aicc=asked[0].aicc if asked else None,
        r2=fit.r2,
        r2_size_means=fit.r2_size_means,
        status=fit.identification.verdict,
        summary="\n".join(
            filter(None, [fit.identification.message, fit.form_choice.message if fit.form_choice else ""])
        ),
    )


def _law_parameters(fit: InterModelFit) -> list[Record]:
    rows = [_parameter(each) for each in (fit.law.parameters if fit.law else ())]
    found = fit.identification
    if found.n0_profile is not None:
        n0 = fit.parameter("N_0")
        assert n0 is not None
        rows.append(
            number("N_0_profile", n0.value, unit=n0.unit, interval=found.n0_profile, at_bound=found.n0_profile_open)
        )
    if found.kappa is not None:
        rows.append(number("kappa", found.kappa, unit="1/parameters", interval=found.kappa_interval))
    return rows


def _size_parameters(fit: InterModelFit) -> list[Record]:
    rows = []
    for size in fit.sizes:
        of: Record = {"num_params": size.num_params, "model": size.models[0] if len(size.models) == 1 else None}
        rows.append(number("k", size.k, standard_error=size.k_se, interval=size.k_interval, **of))
        rows.append(number("E", size.intercept, **of))
        if size.r2 is not None:
            rows.append(number("r2", size.r2, **of))
        if size.k_law is not None:
            rows.append(number("k_law", size.k_law, interval=size.k_law_interval, **of))
    return rows


def _parameter(parameter: Parameter) -> Record:
    return number(
        parameter.name,
        parameter.value,
        unit=parameter.unit,
        interval=parameter.interval,
        at_bound=parameter.at_bound,
        draws=parameter.draws,
    )


def _holdout(forecast: Forecast) -> Record:
    interval, mean = forecast.interval, forecast.mean_interval
    return {
        "mode": forecast.label, "quantity": forecast.quantity, "num_params": forecast.target_size,
        "at_x": forecast.at_x, "predicted": forecast.predicted, "low": interval.low if interval else None,
        "high": interval.high if interval else None, "actual": forecast.actual,
        "actual_standard_error": forecast.actual_se, "relative_error": forecast.relative_error,
        "covered": forecast.covered, "mean_low": mean.low if mean else None, "mean_high": mean.high if mean else None,
    }  # fmt: skip
