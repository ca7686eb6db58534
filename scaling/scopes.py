"""The scopes of a fit by name: from rows and settings to a result, and from a result to rows of the fit tables.

`fit_rows` is all that the command line, notebooks and a rerun need; each scope's own function takes the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from db.records import FitRecords
from scaling.data_reuse.results import DataReuseFit
from scaling.errors import FitError
from scaling.group_size.results import GroupSizeFit
from scaling.inter_model.results import InterModelFit
from scaling.intra_model.results import IntraModelFit
from scaling.observations import Observations, Row, from_rows
from scaling.selection import select
from scaling.settings import FitSettings
from scaling.transfer.results import TransferFit

AnyFit: TypeAlias = InterModelFit | IntraModelFit | DataReuseFit | GroupSizeFit | TransferFit


@dataclass(frozen=True)
class FittedRows:
    """A fit, the settings and the rows that it was made with, and what they are in the fit tables."""

    fit: AnyFit
    settings: FitSettings
    rows: list[Row]
    records: FitRecords


def fit_rows(rows: Sequence[Row], settings: FitSettings) -> FittedRows:
    """Fit those of these rows of the view `learning_curve` that the settings choose. FitError if they bear no fit."""
    if not rows:
        raise FitError("there are no evaluations to fit. Run the sweep first, or name another one.")
    chosen = select(rows, settings)
    fit, records = _SCOPES[settings.scope](chosen, settings)
    return FittedRows(fit, settings, chosen, records)


def observations_of(rows: Sequence[Row], settings: FitSettings) -> Observations:
    """The rows over the settings' axis and window."""
    return from_rows(rows, x=settings.axis, from_x=settings.from_x, to_x=settings.to_x)


def _inter_model(rows: Sequence[Row], settings: FitSettings) -> tuple[AnyFit, FitRecords]:
    from scaling.inter_model.fit import fit_inter_model
    from scaling.inter_model.records import to_records

    options = settings.given("holdout", "k_form", "estimator", "draws", "equal_size_weight")
    fit = fit_inter_model(observations_of(rows, settings), **options)
    return fit, to_records(fit, rows, settings)


def _intra_model(rows: Sequence[Row], settings: FitSettings) -> tuple[AnyFit, FitRecords]:
    from scaling.intra_model.fit import fit_intra_model
    from scaling.intra_model.records import to_records

    fit = fit_intra_model(observations_of(rows, settings), **settings.given("laws"))
    return fit, to_records(fit, rows, settings)


def _data_reuse(rows: Sequence[Row], settings: FitSettings) -> tuple[AnyFit, FitRecords]:
    from scaling.data_reuse.fit import fit_data_reuse
    from scaling.data_reuse.records import to_records

    fit = fit_data_reuse(rows, **settings.given("from_x", "to_x", "draws", "margin"))
    return fit, to_records(fit, rows, settings)


def _group_size(rows: Sequence[Row], settings: FitSettings) -> tuple[AnyFit, FitRecords]:
    from scaling.group_size.fit import fit_group_size
    from scaling.group_size.records import to_records

    fit = fit_group_size(rows, x=settings.axis, **settings.given("from_x", "to_x", "estimator", "draws"))
    return fit, to_records(fit, rows, settings)


def _transfer(rows: Sequence[Row], settings: FitSettings) -> tuple[AnyFit, FitRecords]:
    from scaling.transfer.fit import fit_transfer
    from scaling.transfer.records import to_records

    fit = fit_transfer(rows, **settings.given("in_domain"))
    return fit, to_records(fit, rows, settings)


_SCOPES: dict[str, Callable[[Sequence[Row], FitSettings], tuple[AnyFit, FitRecords]]] = {
    "inter-model": _inter_model,
    "intra-model": _intra_model,
    "data-reuse": _data_reuse,
    "group-size": _group_size,
    "transfer": _transfer,
}
