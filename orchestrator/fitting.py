"""From a sweep's rows in the database to a fit that is kept there: what `submit`, `fit`, `predict` and `plot` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from db.errors import SpecError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.reader import SweepRow
    from scaling.observations import Observations, Row
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
class Request:
    """What is to be fitted. `remarks`: what was settled in a way that the command line did not ask for."""

    settings: FitSettings
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class KeptFit:
    """A fit with what it was made of, its number in the database, and the remarks of its request."""

    fit_id: int
    fitted: FittedRows
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Observed:
    """What a forecast is made from: the rows chosen, the same over an axis, and the settings that say which."""

    rows: list[Row]
    observations: Observations
    settings: FitSettings
    remarks: tuple[str, ...]


def fit_sweep(engine: Engine, sweep: SweepRow, options: FitOptions) -> KeptFit:
    """Fit a sweep's live evaluations and keep the fit. Raises FitError when they do not bear one."""
    from db.store import FitStore
    from scaling.scopes import fit_rows

    rows = _evaluations(engine, sweep)
    request = requested(options, sweep.fit_settings, rows)
    fitted = fit_rows(rows, request.settings)
    records = fitted.records
    kept = replace(records, fit=records.fit | {"sweep_id": sweep.id})
    return KeptFit(FitStore(engine).save(kept), fitted, request.remarks)


def observed(engine: Engine, sweep: SweepRow, options: FitOptions) -> Observed:
    """A sweep's live evaluations as forecasts take them. Raises FitError when they do not bear one."""
    from scaling.scopes import observations_of
    from scaling.selection import select

    rows = _evaluations(engine, sweep)
    request = requested(replace(options, scope="inter-model"), sweep.fit_settings, rows)
    chosen = select(rows, request.settings)
    return Observed(chosen, observations_of(chosen, request.settings), request.settings, request.remarks)


def _evaluations(engine: Engine, sweep: SweepRow) -> list[Row]:
    """Rows of the view `learning_curve`."""
    from db.reader import Reader

    reader = Reader(engine)
    return [dict(row) for row in reader.curve([trial.trial_id for trial in reader.trials(sweep.id)])]


def requested(options: FitOptions, in_file: Mapping[str, Any] | None, rows: Sequence[Row]) -> Request:
    """Command-line values where given, else the sweep file's, else the scope's own.

    SpecError for a value that is not known, or that the rows or the scope have no use for.
    """
    from scaling.selection import select, sizes_named
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
    settings = FitSettings(
        scope=scope,
        x=axis,
        from_x=from_x if scope != "transfer" or options.from_x is not None else None,
        to_x=options.to_x,
        benchmark=options.benchmark,
        protocol=options.protocol,
        where=where_of(_conditions(options.where).items()),
        k_form=options.k_form,
        estimator=options.estimator,
        draws=options.draws,
        equal_size_weight=options.equal_size_weight,
        laws=tuple(options.laws),
        margin=options.margin,
        in_domain=options.in_domain,
    )
    chosen = select(rows, settings)
    _require_benchmark(options.in_domain, chosen)
    remarks: tuple[str, ...] = ()
    if not options.x:
        settings, remarks = _on_an_axis_had(settings, options, chosen)
    if options.holdout:
        names = [name.removeprefix("model=") for name in options.holdout]
        settings = replace(settings, holdout=sizes_named(chosen, names))
        remarks += _held_out_together(settings.holdout, names, chosen)
    return Request(settings, remarks)


def _axis(option: str) -> Any:
    from scaling.axes import X_OPTION

    kinds = {name: kind for kind, name in X_OPTION.items()}
    if option not in kinds:
        raise SpecError(f"--x {option}: expected one of {', '.join(kinds)}.")
    return kinds[option]


def _on_an_axis_had(
    settings: FitSettings, options: FitOptions, rows: Sequence[Row]
) -> tuple[FitSettings, tuple[str, ...]]:
    """The settings over the axis that nobody asked for if the rows have it, else over the best one that they have."""
    from scaling.axes import X_OPTION, X_UNIT
    from scaling.selection import axes_had

    had = axes_had(rows)
    if not had or settings.axis in had or settings.is_bound:
        return settings, ()
    choices = ", ".join(f"--x {X_OPTION[kind]}" for kind in had)
    missing = X_UNIT[settings.axis]
    if options.from_x or options.to_x:
        raise SpecError(f"--from and --to bound an axis, and these runs have no {missing}. Say which: {choices}.")
    others = f" They have {', '.join(f'--x {X_OPTION[kind]}' for kind in had[1:])} as well." if had[1:] else ""
    remark = f"These runs have no {missing}: taken over {X_UNIT[had[0]]}, as by --x {X_OPTION[had[0]]}.{others}"
    return replace(settings, x=had[0], from_x=None), (remark,)


def _held_out_together(held_out: Sequence[int], names: Sequence[str], rows: Sequence[Row]) -> tuple[str, ...]:
    """A size is held out as a whole: models that nobody named may have it too."""
    named = {name.casefold() for name in names}
    models = sorted({str(row["model"]) for row in rows if row["num_params"] in held_out})
    if not named & {model.casefold() for model in models}:  # a size was named, whoever has it
        return ()
    along = [model for model in models if model.casefold() not in named]
    if not along:
        return ()
    return (
        f"Held out as well, being of exactly that size: {', '.join(along)}. To fit without, name the models to keep: "
        "--where model=NAME,NAME.",
    )


def _require_benchmark(in_domain: str | None, rows: Sequence[Row]) -> None:
    known = sorted({str(row["benchmark"]) for row in rows})
    if in_domain is not None and in_domain not in known:
        raise SpecError(f"--in-domain {in_domain}: no evaluation is of that benchmark. There are: {', '.join(known)}.")


def _conditions(where: Sequence[str]) -> dict[str, list[str]]:
    """`column=value,value`, several times, as values by column."""
    found: dict[str, list[str]] = {}
    for condition in where:
        column, separator, values = condition.partition("=")
        if not separator or not column or not values:
            raise SpecError(f"--where {condition}: write it as COLUMN=VALUE, or COLUMN=VALUE,VALUE.")
        found.setdefault(column, []).extend(values.split(","))
    return found
