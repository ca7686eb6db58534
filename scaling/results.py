"""What the results of all scopes are made of: plain frozen records of Python numbers. A number not had is None."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "warning"]


@dataclass(frozen=True)
class Interval:
    """A 95% interval and how it was obtained."""

    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Check:
    """A sign of trouble that was looked for. `note`: worth knowing; `warning`: do not quote the law before acting."""

    code: str
    severity: Severity
    value: float | None
    threshold: float | None
    size: int | None
    message: str


@dataclass(frozen=True)
class PointFit:
    """One evaluation's part in the fit. `fitted` and `residual` (of ln L) are None outside the estimation."""

    evaluation_id: int
    role: str
    reason: str
    weight: float | None
    fitted: float | None
    residual: float | None
