"""An intra-model fit as rows of the fit tables: every law of every run, and every forecast from a prefix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from db.records import FitRecords
from scaling.intra_model.results import IntraModelFit, LawOnRun, PrefixForecast, RunTrajectories
from scaling.observations import Row, from_rows
from scaling.records import Record, check_rows, fit_row, number, point_rows, unweighted, without_trials
from scaling.settings import FitSettings


def to_records(fit: IntraModelFit, rows: Sequence[Row], settings: FitSettings) -> FitRecords:
    """The rows of a fit that was made of these evaluations with these settings."""
    observations = from_rows(rows, x=settings.axis, from_x=fit.from_x, to_x=fit.to_x)
    points = unweighted(without_trials(observations, dict(fit.left_out)))
    return FitRecords(
        fit=fit_row(
            scope="intra-model",
            x=fit.x_kind,
            settings=settings.stored(laws=fit.laws),
            data_sha256=fit.data_sha256,
            num_points=fit.num_points,
            benchmark=fit.benchmark,
            protocol=fit.protocol,
            num_sizes=len({run.num_params for run in fit.runs}),
            num_runs=len(fit.runs),
            summary="\n".join(fit.summary),
        ),
        parameters=[
            *(row for run in fit.runs for law in run.laws for row in _parameters(run, law)),
            *(number("coverage", each.share, law=each.law) for each in fit.coverage if each.made),
        ],
        points=point_rows(points, rows),
        holdouts=[_holdout(run, forecast) for run in fit.runs for forecast in run.forecasts],
        forms=[row for run in fit.runs for row in _forms(run)],
        checks=check_rows(fit.checks),
    )


def _parameters(run: RunTrajectories, law: LawOnRun) -> list[Record]:
    of: Record = {"trial_id": run.trial_id, "model": run.model, "num_params": run.num_params, "law": law.fit.law}
    return [
        number(name, value, interval=law.intervals[name], at_bound=law.fit.is_at_edge, **of)
        for name, value in law.fit.parameters.items()
    ]


def _holdout(run: RunTrajectories, forecast: PrefixForecast) -> Record:
    interval = forecast.interval
    return {
        "mode": forecast.label, "quantity": "loss", "num_params": run.num_params, "trial_id": run.trial_id,
        "law": forecast.law, "prefix_share": forecast.share, "at_x": forecast.at_x, "predicted": forecast.predicted,
        "low": interval.low if interval else None, "high": interval.high if interval else None,
        "actual": forecast.actual, "actual_standard_error": forecast.actual_se,
        "relative_error": forecast.relative_error, "covered": forecast.covered,
    }  # fmt: skip


def _forms(run: RunTrajectories) -> list[Record]:
    """The laws of a run by AICc, with the mean error of their forecasts."""
    weights = [0.0 if law.delta_aicc is None else math.exp(-law.delta_aicc / 2) for law in run.laws]
    rows = []
    for rank, (law, weight) in enumerate(zip(run.laws, weights, strict=True), start=1):
        errors = [
            abs(forecast.relative_error)
            for forecast in run.forecasts
            if forecast.law == law.fit.law and forecast.relative_error is not None
        ]
        rows.append(
            {
                "rank": rank, "form": law.fit.law, "trial_id": run.trial_id, "num_parameters": len(law.fit.parameters),
                "rss": law.fit.rss, "aicc": law.aicc, "delta_aicc": law.delta_aicc,
                "akaike_weight": None if law.delta_aicc is None else weight / sum(weights),
                "holdout_error": fmean(errors) if errors else None,
            }
        )  # fmt: skip
    return rows
