"""A fit as rows of the fit tables: plain Python numbers, one dict a row, no database here.

The whole of a result that a later `fit --rerun` must reproduce is in these rows; `same_fit` compares two of them.
The one field they do not carry is `fit_id`, which the database gives.
"""

import json
from typing import TypeAlias

from scaling.results import Forecast, InterModelFit, Interval, Parameter

Record: TypeAlias = dict[str, object]


def to_records(fit: InterModelFit) -> dict[str, list[Record]]:
    """Rows keyed by table: fit (one row), fit_param, fit_point, fit_holdout, fit_compare, fit_check.

    In `fit_param`, `size_n` is None for a parameter of the law and the size for one of a single size.
    """
    return {
        "fit": [_fit(fit)],
        "fit_param": [*_law_parameters(fit), *_size_parameters(fit)],
        "fit_point": [
            {
                "evaluation_id": point.evaluation_id, "role": point.role, "reason": point.reason or None,
                "weight": point.weight, "mu": point.fitted, "residual": point.residual,
            }
            for point in fit.points
        ],
        "fit_holdout": [_holdout(forecast) for forecast in fit.forecasts],
        "fit_compare": [
            {
                "rank": rank, "k_form": form.k_form, "num_parameters": form.num_parameters, "rss": form.rss,
                "aicc": form.aicc, "delta_aicc": form.delta_aicc, "akaike_weight": form.akaike_weight,
                "holdout_mae": form.forecast_error,
            }
            for rank, form in enumerate(fit.forms, start=1)
        ],
        "fit_check": [
            {
                "code": check.code, "severity": check.severity, "value": check.value,
                "threshold": check.threshold, "size_n": check.size, "message": check.message,
            }
            for check in fit.checks
        ],
    }  # fmt: skip


def spec_of(fit: InterModelFit) -> dict[str, object]:
    """The arguments that, with the same evaluations, give this fit again."""
    return {
        "scope": "inter-model", "x": fit.x_kind, "from_x": fit.from_x, "to_x": fit.to_x,
        "benchmark": fit.benchmark, "protocol": fit.protocol, "k_form": fit.k_form, "estimator": fit.estimator,
        "holdout": [size.num_params for size in fit.sizes if size.held_out], "draws": fit.draws,
    }  # fmt: skip


def same_fit(one: dict[str, list[Record]], other: dict[str, list[Record]]) -> bool:
    """Whether two sets of records say the same, database ids aside."""
    return _canonical(one) == _canonical(other)


def _fit(fit: InterModelFit) -> Record:
    asked = [form for form in fit.forms if fit.law and form.k_form == fit.law.k_form]
    return {
        "data_sha256": fit.data_sha256,
        "spec_json": json.dumps(spec_of(fit), sort_keys=True),
        "x_kind": fit.x_kind,
        "y_kind": "test_loss",
        "family": "log-linear trajectory",
        "k_form": fit.law.k_form if fit.law else "free",
        "estimator": fit.estimator,
        "weights": {"ols-log": "equal in ln L", "qb": "quasi-binomial", "linear-ls": "equal in L"}[fit.estimator],
        "phi": fit.phi,
        "s_run": fit.run_sd,
        "n_points": fit.num_points,
        "n_eff": fit.num_effective,
        "n_sizes": len(fit.training_sizes),
        "n_runs": fit.num_runs,
        "q": fit.num_runs + (len(fit.law.theta) if fit.law else len(fit.training_sizes)),
        "deviance": fit.rss,
        "aicc": asked[0].aicc if asked else None,
        "r2": fit.r2,
        "r2_null": fit.r2_size_means,
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
        rows.append(_row("k", size.k, size=size.num_params, se=size.k_se, interval=size.k_interval))
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
    )


def _row(
    name: str,
    value: float,
    *,
    size: int | None = None,
    se: float | None = None,
    unit: str = "",
    interval: Interval | None = None,
    at_bound: bool = False,
) -> Record:
    return {
        "name": name, "size_n": size, "est": value, "se": se, "unit": unit, "at_bound": at_bound,
        "lo95": interval.low if interval else None, "hi95": interval.high if interval else None,
        "interval_method": interval.method if interval else None,
    }  # fmt: skip


def _holdout(forecast: Forecast) -> Record:
    interval = forecast.interval
    return {
        "mode": forecast.mode, "quantity": forecast.quantity, "target_size": forecast.target_size,
        "prefix_frac": None, "m_shot": forecast.m_shot if forecast.mode == "kshot" else None,
        "at_x": forecast.at_x, "pred": forecast.predicted,
        "lo95": interval.low if interval else None, "hi95": interval.high if interval else None,
        "actual": forecast.actual, "actual_se": forecast.actual_se,
        "rel_err": forecast.relative_error, "covered": forecast.covered,
    }  # fmt: skip


def _canonical(records: dict[str, list[Record]]) -> str:
    kept = {
        table: [{name: value for name, value in row.items() if name != "evaluation_id"} for row in rows]
        for table, rows in records.items()
    }
    return json.dumps(kept, sort_keys=True)
