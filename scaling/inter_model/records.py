"""A fit as rows of the fit tables: plain Python numbers, one dict a row, no database here.

The whole of a result that a later `fit --rerun` must reproduce is in these rows; `same_fit` compares two of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, TypeAlias

from db.records import FitRecords
from scaling.inter_model.results import Forecast, InterModelFit, Parameter
from scaling.results import Interval

Record: TypeAlias = dict[str, Any]

# Stands for "of all sizes" where a size is part of a row's key.
ALL_SIZES = 0


def to_records(fit: InterModelFit, *, sweep_id: int | None = None) -> FitRecords:
    """The rows of a fit; `sweep_id` is the sweep that it fits, None for rows of several."""
    return FitRecords(
        fit=_fit(fit, sweep_id),
        parameters=[*_law_parameters(fit), *_size_parameters(fit)],
        points=[
            {
                "evaluation_id": point.evaluation_id, "role": point.role, "reason": point.reason or None,
                "weight": point.weight, "fitted_loss": point.fitted, "residual": point.residual,
            }
            for point in fit.points
        ],
        holdouts=[_holdout(position, forecast) for position, forecast in enumerate(fit.forecasts)],
        forms=[
            {
                "rank": rank, "k_form": form.k_form, "num_parameters": form.num_parameters, "rss": form.rss,
                "aicc": form.aicc, "delta_aicc": form.delta_aicc, "akaike_weight": form.akaike_weight,
                "holdout_error": form.forecast_error,
            }
            for rank, form in enumerate(fit.forms, start=1)
        ],
        checks=[
            {
                "position": position, "code": check.code, "severity": check.severity, "value": check.value,
                "threshold": check.threshold, "num_params": check.size, "message": check.message,
            }
            for position, check in enumerate(fit.checks)
        ],
    )  # fmt: skip


def spec_of(fit: InterModelFit) -> Record:
    """The arguments that, with the same evaluations, give this fit again."""
    return {
        "x": fit.x_kind, "from_x": fit.from_x, "to_x": fit.to_x, "k_form": fit.k_form, "estimator": fit.estimator,
        "holdout": [size.num_params for size in fit.sizes if size.held_out], "draws": fit.draws,
    }  # fmt: skip


def same_fit(one: FitRecords, other: FitRecords) -> bool:
    """Whether two sets of records say the same, the numbers that a database gave to rows aside."""
    return _canonical(one) == _canonical(other)


def _fit(fit: InterModelFit, sweep_id: int | None) -> Record:
    asked = [form for form in fit.forms if fit.law and form.k_form == fit.law.k_form]
    return {
        "sweep_id": sweep_id,
        "rlsweep_version": version("rlsweep"),
        "scope": "inter-model",
        "x": fit.x_kind,
        "benchmark": fit.benchmark,
        "protocol": fit.protocol,
        "k_form": fit.law.k_form if fit.law else "free",
        "estimator": fit.estimator,
        "settings": spec_of(fit),
        "data_sha256": fit.data_sha256,
        "num_points": fit.num_points,
        "num_effective": fit.num_effective,
        "num_sizes": len(fit.training_sizes),
        "num_runs": fit.num_runs,
        "num_parameters": fit.num_runs + (len(fit.law.theta) if fit.law else len(fit.training_sizes)),
        "phi": fit.phi,
        "run_sd": fit.run_sd,
        "deviance": fit.rss,
        "aicc": asked[0].aicc if asked else None,
        "r2": fit.r2,
        "r2_size_means": fit.r2_size_means,
        "status": fit.identification.verdict,
    }


def _law_parameters(fit: InterModelFit) -> list[Record]:
    rows = [_parameter(each) for each in (fit.law.parameters if fit.law else ())]
    found = fit.identification
    if found.n0_profile is not None:
        n0 = fit.parameter("N_0")
        assert n0 is not None
        rows.append(
            _row("N_0_profile", n0.value, unit=n0.unit, interval=found.n0_profile, at_bound=found.n0_profile_open)
        )
    if found.kappa is not None:
        rows.append(_row("kappa", found.kappa, unit="1/parameters", interval=found.kappa_interval))
    return rows


def _size_parameters(fit: InterModelFit) -> list[Record]:
    rows = []
    for size in fit.sizes:
        rows.append(_row("k", size.k, size=size.num_params, standard_error=size.k_se, interval=size.k_interval))
        rows.append(_row("E", size.intercept, size=size.num_params))
        if size.r2 is not None:
            rows.append(_row("r2", size.r2, size=size.num_params))
        if size.k_law is not None:
            rows.append(_row("k_law", size.k_law, size=size.num_params, interval=size.k_law_interval))
    return rows


def _parameter(parameter: Parameter) -> Record:
    return _row(
        parameter.name,
        parameter.value,
        unit=parameter.unit,
        interval=parameter.interval,
        at_bound=parameter.at_bound,
        draws=parameter.draws,
    )


def _row(
    name: str,
    value: float,
    *,
    size: int = ALL_SIZES,
    standard_error: float | None = None,
    unit: str = "",
    interval: Interval | None = None,
    at_bound: bool = False,
    draws: bytes | None = None,
) -> Record:
    return {
        "name": name, "num_params": size, "estimate": value, "standard_error": standard_error, "unit": unit,
        "at_bound": at_bound, "low": interval.low if interval else None, "high": interval.high if interval else None,
        "interval_method": interval.method if interval else None, "draws": draws,
    }  # fmt: skip


def _holdout(position: int, forecast: Forecast) -> Record:
    interval = forecast.interval
    return {
        "position": position, "mode": forecast.label, "quantity": forecast.quantity,
        "num_params": forecast.target_size, "prefix_share": None, "at_x": forecast.at_x,
        "predicted": forecast.predicted, "low": interval.low if interval else None,
        "high": interval.high if interval else None, "actual": forecast.actual,
        "actual_standard_error": forecast.actual_se, "relative_error": forecast.relative_error,
        "covered": forecast.covered,
    }  # fmt: skip


def _canonical(records: FitRecords) -> str:
    content = asdict(records)
    del content["fit"]["sweep_id"]
    for point in content["points"]:
        del point["evaluation_id"]
    return json.dumps(content, sort_keys=True, default=bytes.hex)
