"""A data-reuse fit as rows of the fit tables: every tau, the largest that is safe, where harm sets in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from db.records import FitRecords
from scaling.data_reuse.results import DataReuseFit, ReuseOfModel
from scaling.observations import Row, from_rows
from scaling.records import Record, check_rows, fit_row, number, point_rows, unweighted, without_trials
from scaling.results import PointFit
from scaling.settings import FitSettings


def to_records(fit: DataReuseFit, rows: Sequence[Row], settings: FitSettings) -> FitRecords:
    """The rows of a fit that was made of these evaluations with these settings."""
    runs = {each for model in fit.models for pair in model.pairs for each in (pair.trial_id, pair.twin_trial_id)}
    return FitRecords(
        fit=fit_row(
            scope="data-reuse",
            x="samples",
            settings=settings.stored(margin=fit.margin, draws=fit.draws),
            data_sha256=fit.data_sha256,
            num_points=fit.num_points,
            benchmark=fit.benchmark,
            protocol=fit.protocol,
            num_sizes=len({model.num_params for model in fit.models}),
            num_runs=len(runs),
            summary="\n".join(model.summary for model in fit.models),
        ),
        parameters=[row for model in fit.models for row in _parameters(model)],
        points=point_rows(_points(fit, rows), rows),
        holdouts=[],
        forms=[],
        checks=check_rows(fit.checks),
    )


def _parameters(model: ReuseOfModel) -> list[Record]:
    of: Record = {"model": model.model, "num_params": model.num_params}
    rows = []
    for effect in model.effects:
        rows.append(number("mean_log_loss_difference", effect.mean, interval=effect.interval, tau=effect.tau, **of))
        rows.append(
            number("last_log_loss_difference", effect.last, interval=effect.last_interval, tau=effect.tau, **of)
        )
        if effect.slope is not None:
            rows.append(number("late_slope", effect.slope, interval=effect.slope_interval, tau=effect.tau, **of))
    for pair in model.pairs:
        rows.append(number("mean_log_loss_difference", pair.mean, tau=pair.tau, trial_id=pair.trial_id, **of))
    onset = model.onset
    rows.append(number("largest_safe_tau", model.largest_safe_tau, **of))
    rows.append({**number("onset_tau", onset.tau, **of), "low": onset.low, "high": onset.high})
    return rows


def _points(fit: DataReuseFit, rows: Sequence[Row]) -> list[PointFit]:
    """An evaluation takes part where the twin was evaluated at as many prompts."""
    observations = from_rows(rows, x="samples", from_x=fit.from_x, to_x=fit.to_x)
    paired = {
        (trial, x)
        for model in fit.models
        for pair in model.pairs
        for x in pair.x
        for trial in (pair.trial_id, pair.twin_trial_id)
    }
    observations = without_trials(observations, dict(fit.left_out))
    places = zip(observations.trial_id.tolist(), observations.x.tolist(), observations.role, strict=True)
    alone = np.array([role == "train" and (trial, x) not in paired for trial, x, role in places], dtype=np.bool_)
    return unweighted(
        observations.with_role(alone, "not_compared", "no twin has an evaluation at this number of prompts")
    )
