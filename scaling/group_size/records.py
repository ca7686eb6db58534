"""A group-size fit as rows of the fit tables: the curves, which is the lowest where, and where they cross."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from db.records import FitRecords
from scaling.group_size.results import GroupSizeFit, GroupSizesOfModel
from scaling.observations import Row, from_rows
from scaling.records import Record, check_rows, fit_row, number, point_rows, unweighted
from scaling.results import PointFit
from scaling.settings import FitSettings


def to_records(fit: GroupSizeFit, rows: Sequence[Row], settings: FitSettings) -> FitRecords:
    """The rows of a fit that was made of these evaluations with these settings."""
    return FitRecords(
        fit=fit_row(
            scope="group-size",
            x=fit.x_kind,
            settings=settings.stored(estimator=fit.estimator, draws=fit.draws),
            data_sha256=fit.data_sha256,
            num_points=fit.num_points,
            benchmark=fit.benchmark,
            protocol=fit.protocol,
            estimator=fit.estimator,
            num_sizes=len({model.num_params for model in fit.models}),
            num_runs=sum(group.num_runs for model in fit.models for group in model.groups),
            summary="\n".join(model.summary for model in fit.models),
        ),
        parameters=[row for model in fit.models for row in _parameters(model)],
        points=point_rows(_points(fit, rows), rows),
        holdouts=[],
        forms=[],
        checks=check_rows(fit.checks),
    )


def _parameters(model: GroupSizesOfModel) -> list[Record]:
    of: Record = {"model": model.model, "num_params": model.num_params}
    rows = []
    for group in model.groups:
        mine: Record = {"group_size": group.group_size, **of}
        rows.append(number("k", group.k, **mine))
        rows.append(number("loss", group.first_loss, at_x=group.x_min, **mine))
        rows.append(number("loss", group.last_loss, at_x=group.x_max, **mine))
    for best in model.ranges:
        share = {"low": best.lowest_share, "high": best.highest_share}
        for name, at in (("best_from", best.from_x), ("best_to", best.to_x)):
            rows.append({**number(name, at, group_size=best.group_size, **of), **_shares(share)})
    for crossing in model.crossings:
        row = number("crossing", crossing.x, group_size=crossing.after, against_group_size=crossing.before, **of)
        rows.append({**row, "low": crossing.low, "high": crossing.high, "interval_method": "parametric bootstrap"})
    return rows


def _shares(share: dict[str, float | None]) -> Record:
    return {**share, "interval_method": "least and largest share of draws in which it is the best"}


def _points(fit: GroupSizeFit, rows: Sequence[Row]) -> list[PointFit]:
    known = [row for row in rows if row.get("group_size") is not None]
    observations = from_rows(known, x=fit.x_kind, from_x=fit.from_x, to_x=fit.to_x)  # type: ignore[arg-type]
    for model, reason in fit.left_out:
        mine = np.array([each == model for each in observations.model]) & observations.where("train")
        observations = observations.with_role(mine, "not_compared", reason)
    unknown = [row for row in rows if row.get("group_size") is None]
    without = [
        PointFit(int(row["evaluation_id"]), "unusable", "its group size is not known", None, None, None)  # type: ignore[call-overload]
        for row in unknown
    ]
    return [*unweighted(observations), *without]
