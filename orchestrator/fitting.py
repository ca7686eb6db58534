"""From a sweep's rows in the database to a fit that is kept there: what `submit`, `fit`, `predict` and `plot` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from db.errors import SpecError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.reader import SweepRow
    from scaling.observations import Row
    from scaling.scopes import FittedRows
    from scaling.settings import FitSettings


@dataclass(frozen=True)
class FitOptions:
    """What a command line says of a fit; None, or nothing, where it says nothing."""

    scope: str | None = None
    x: str | None = None
    from_x: float | None = None
    to_x: float | None = None
    holdout: Sequence[str] = ()
    benchmark: str | None = None
    protocol: str | None = None
    where: Sequence[str] = ()
    k_form: str | None = None
    estimator: str | None = None
    draws: int | None = None
    equal_size_weight: bool | None = None
    laws: Sequence[str] = ()
    margin: float | None = None
    in_domain: str | None = None


@dataclass(frozen=True)
class KeptFit:
    """A fit with what it was made of, and its number in the database."""

    fit_id: int
    fitted: FittedRows


def fit_sweep(engine: Engine, sweep: SweepRow, options: FitOptions) -> KeptFit:
    """Fit a sweep's live evaluations and keep the fit. Raises FitError when they do not bear one."""
    from db.store import FitStore
    from scaling.scopes import fit_rows

    rows = evaluations(engine, sweep)
    fitted = fit_rows(rows, settings_of(options, sweep.fit_settings, rows))
    records = fitted.records
    kept = replace(records, fit=records.fit | {"sweep_id": sweep.id})
    return KeptFit(FitStore(engine).save(kept), fitted)


def evaluations(engine: Engine, sweep: SweepRow) -> list[Row]:
    """A sweep's live evaluations: rows of the view `learning_curve`."""
    from db.reader import Reader

    reader = Reader(engine)
    return [dict(row) for row in reader.curve([trial.trial_id for trial in reader.trials(sweep.id)])]


def settings_of(options: FitOptions, in_file: Mapping[str, Any] | None, rows: Sequence[Row]) -> FitSettings:
    """Command-line values where given, else the sweep file's, else the scope's own.

    SpecError for a value that is not known; FitError for one that the rows, or the scope, have no use for.
    """
    from scaling.scopes import sizes_named
    from scaling.selection import select
    from scaling.settings import SCOPES, FitSettings, where_of

    kept = in_file or {}
    scope = options.scope or kept.get("scope") or SCOPES[0]
    if scope not in SCOPES:
        raise SpecError(f"--scope {scope}: expected one of {', '.join(SCOPES)}.")
    own_axis = FitSettings(scope=scope).axis
    is_files_scope = scope == (kept.get("scope") or SCOPES[0])
    axis_in_file = _axis(kept["x"]) if kept.get("x") and is_files_scope and own_axis == "flops" else None
    axis = _axis(options.x) if options.x else axis_in_file
    # A window that was chosen for one axis means nothing on another.
    window_in_file = (
        kept.get("from") if is_files_scope and (axis or own_axis) == _axis(kept.get("x", "compute")) else None
    )
    from_x = options.from_x if options.from_x is not None else window_in_file
    where = where_of(_conditions(options.where).items())
    settings = FitSettings(
        scope=scope,
        x=axis,
        from_x=from_x if scope != "transfer" or options.from_x is not None else None,
        to_x=options.to_x,
        benchmark=options.benchmark,
        protocol=options.protocol,
        where=where,
        k_form=options.k_form,
        estimator=options.estimator,
        draws=options.draws,
        equal_size_weight=options.equal_size_weight,
        laws=tuple(options.laws),
        margin=options.margin,
        in_domain=options.in_domain,
    )
    held_out = _held_out(options.holdout)
    return replace(settings, holdout=sizes_named(select(rows, settings), held_out)) if held_out else settings


def _axis(option: str) -> Any:
    from scaling.observations import X_OPTION

    kinds = {name: kind for kind, name in X_OPTION.items()}
    if option not in kinds:
        raise SpecError(f"--x {option}: expected one of {', '.join(kinds)}.")
    return kinds[option]


def _conditions(where: Sequence[str]) -> dict[str, list[str]]:
    """`column=value,value`, several times, as values by column."""
    found: dict[str, list[str]] = {}
    for condition in where:
        column, separator, values = condition.partition("=")
        if not separator or not column or not values:
            raise SpecError(f"--where {condition}: write it as COLUMN=VALUE, or COLUMN=VALUE,VALUE.")
        found.setdefault(column, []).extend(values.split(","))
    return found


def _held_out(holdout: Sequence[str]) -> list[str]:
    names = []
    for condition in holdout:
        column, separator, value = condition.partition("=")
        if not separator or column != "model":
            raise SpecError(f"--holdout {condition}: write it as model=NAME.")
        names.append(value)
    return names
