"""From a sweep's rows in the database to a fit that is kept there: what `submit`, `fit` and `plot` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.errors import SpecError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.reader import SweepRow
    from scaling.inter_model.results import InterModelFit
    from scaling.observations import Observations, XKind

X_COLUMNS: dict[str, XKind] = {"compute": "flops", "data": "samples", "tokens": "tokens", "steps": "steps"}
SCOPES = ("inter-model",)


@dataclass(frozen=True)
class FitRequest:
    """What to fit, after the command line has had its say over the sweep file's `fit` section."""

    scope: str = "inter-model"
    x: str = "compute"
    from_x: float | None = None
    holdout: tuple[str, ...] = ()
    benchmark: str | None = None
    protocol: str | None = None

    @classmethod
    def resolve(
        cls, settings: dict[str, Any] | None, *, scope: str | None, x: str | None, from_x: float | None,
        holdout: Sequence[str] = (), benchmark: str | None = None, protocol: str | None = None,
    ) -> FitRequest:  # fmt: skip
        """Command-line values where given, else the sweep file's, else the defaults."""
        kept = settings or {}
        asked = scope or kept.get("scope") or SCOPES[0]
        if asked not in SCOPES:
            raise SpecError(f"--scope {asked}: this version fits {', '.join(SCOPES)} only.")
        axis = x or kept.get("x") or "compute"
        if axis not in X_COLUMNS:
            raise SpecError(f"--x {axis}: expected one of {', '.join(X_COLUMNS)}.")
        # A window that was chosen for one axis means nothing on another.
        window = from_x if from_x is not None else (kept.get("from") if axis == kept.get("x", "compute") else None)
        return cls(scope=asked, x=axis, from_x=window, holdout=tuple(holdout), benchmark=benchmark, protocol=protocol)


@dataclass(frozen=True)
class KeptFit:
    """A fit, the rows it was made from, and its number in the database."""

    fit_id: int
    fit: InterModelFit
    observations: Observations


def fit_sweep(engine: Engine, sweep: SweepRow, request: FitRequest) -> KeptFit:
    """Fit a sweep's live evaluations and keep the fit. Raises FitError when they do not bear one."""
    from db.reader import Reader
    from db.store import FitStore
    from scaling.inter_model.fit import fit_inter_model
    from scaling.inter_model.records import to_records
    from scaling.observations import from_rows

    reader = Reader(engine)
    rows = scored(reader.curve([trial.trial_id for trial in reader.trials(sweep.id)]), request)
    observations = from_rows([dict(row) for row in rows], x=X_COLUMNS[request.x], from_x=request.from_x)
    holdout = _sizes(request.holdout, rows)
    fit = fit_inter_model(observations, holdout=holdout)
    fit_id = FitStore(engine).save(to_records(fit, sweep_id=sweep.id))
    return KeptFit(fit_id, fit, observations)


def scored(rows: Sequence[Any], request: FitRequest) -> Sequence[Any]:
    """The evaluations of the benchmark and the protocol that were asked for; all of them where none was."""
    for column, wanted in {"benchmark": request.benchmark, "protocol": request.protocol}.items():
        found = sorted({str(row[column]) for row in rows})
        if wanted is not None and wanted not in found:
            raise SpecError(f"--{column} {wanted}: there is no evaluation of it here; there are: {', '.join(found)}.")
        rows = [row for row in rows if wanted in (None, row[column])]
    return rows


def _sizes(holdout: Sequence[str], rows: Sequence[Any]) -> list[int] | None:
    """`model=NAME` -> the sizes that model has here; None without any."""
    if not holdout:
        return None
    sizes: set[int] = set()
    for condition in holdout:
        column, separator, value = condition.partition("=")
        if not separator or column != "model":
            raise SpecError(f"--holdout {condition}: write it as model=NAME.")
        found = {int(row["num_params"]) for row in rows if row["model"] == value}
        if not found:
            known = ", ".join(sorted({str(row["model"]) for row in rows}))
            raise SpecError(f"--holdout {condition}: no evaluated model has that name; known: {known}.")
        sizes |= found
    return sorted(sizes)
