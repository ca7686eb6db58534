"""Rows of the fit tables, as every scope writes them: plain Python numbers, one dict a row, no database here.

What a row does not name is NULL. The whole of a result that a later fit must reproduce is in these rows; `same_fit`
compares two of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import version
from typing import Any, TypeAlias

from db.records import FitRecords
from scaling.observations import Observations, Row, row_sha256
from scaling.results import Check, Interval, PointFit

Record: TypeAlias = dict[str, Any]

# What a database numbers as it likes, or notes of its own.
_NOT_CONTENT = {
    "id", "fit_id", "sweep_id", "created_at", "rlsweep_version", "position", "evaluation_id", "trial_id"
}  # fmt: skip


def fit_row(*, scope: str, x: str, settings: Record, data_sha256: str, num_points: int, **more: Any) -> Record:
    """The row of the fit itself."""
    return {
        "rlsweep_version": version("rlsweep"), "scope": scope, "x": x, "settings": settings,
        "data_sha256": data_sha256, "num_points": num_points, "status": "judged", **more,
    }  # fmt: skip


def number(
    name: str,
    value: float | None,
    *,
    interval: Interval | None = None,
    standard_error: float | None = None,
    unit: str = "",
    at_bound: bool = False,
    draws: bytes | None = None,
    **of: Any,
) -> Record:
    """One number; `of` says what it is of: num_params, model, trial_id, tau, group_size, benchmark, law, at_x."""
    return {
        "name": name, "estimate": value, "standard_error": standard_error, "unit": unit, "at_bound": at_bound,
        "low": interval.low if interval else None, "high": interval.high if interval else None,
        "interval_method": interval.method if interval else None, "draws": draws, **of,
    }  # fmt: skip


def check_rows(checks: Iterable[Check]) -> list[Record]:
    """The checks, in their order."""
    return [
        {
            "code": check.code, "severity": check.severity, "value": check.value, "threshold": check.threshold,
            "num_params": check.size, "message": check.message,
        }
        for check in checks
    ]  # fmt: skip


def point_rows(points: Iterable[PointFit], rows: Sequence[Row]) -> list[Record]:
    """Every evaluation's part in the fit, with the digest of what it measured."""
    digests = {row["evaluation_id"]: row_sha256(row) for row in rows}
    return [
        {
            "evaluation_id": point.evaluation_id, "role": point.role, "reason": point.reason or None,
            "weight": point.weight, "fitted_loss": point.fitted, "residual": point.residual,
            "content_sha256": digests[point.evaluation_id],
        }
        for point in points
    ]  # fmt: skip


def unweighted(observations: Observations) -> list[PointFit]:
    """Points of a fit that compares curves instead of weighing evaluations: roles and reasons alone."""
    return [
        PointFit(int(evaluation), role, reason, None, None, None)
        for evaluation, role, reason in zip(
            observations.evaluation_id, observations.role, observations.reason, strict=True
        )
    ]


def without_trials(observations: Observations, left_out: Mapping[int, str]) -> Observations:
    """The same rows, those of these trials set aside, each with its reason."""
    for trial, reason in left_out.items():
        mine = (observations.trial_id == trial) & observations.where("train")
        observations = observations.with_role(mine, "not_compared", reason)
    return observations


def same_fit(one: FitRecords, other: FitRecords) -> bool:
    """Whether two sets of records say the same, the numbers that a database gave to rows aside."""
    return all(said(one, field.name) == said(other, field.name) for field in fields(FitRecords))


def said(records: FitRecords, part: str) -> str:
    """What one part of the records says, in canonical form."""
    content = getattr(records, part)
    rows = [_said(row) for row in ([content] if isinstance(content, dict) else content)]
    lines = [json.dumps(row, sort_keys=True, default=bytes.hex) for row in rows]
    return "\n".join(sorted(lines) if part == "points" else lines)  # evaluations may be numbered anew


def _said(row: Mapping[str, Any]) -> Record:
    """What a row says: a missing number by leaving it out, and 25 as 25.0, as a column may have it."""
    return {name: _as_kept(value) for name, value in row.items() if name not in _NOT_CONTENT and not _is_missing(value)}


def _as_kept(value: object) -> object:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
