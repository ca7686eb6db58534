"""A kept fit, made again: the same to the bit, or which of its evaluations have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.errors import SpecError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.records import FitRecords
    from scaling.observations import Row


@dataclass(frozen=True)
class Rerun:
    """What became of a fit that was made again.

    `is_same`: every number of it, from the rows that it was made of; None where those are not there any more. `added`,
    `changed` and `gone`: evaluations that the sweep has now and the fit had not, that measured something else then,
    and that are not live any more. `version`: of the code that made the fit, where that was another one.
    """

    fit_id: int
    is_same: bool | None
    added: tuple[int, ...]
    changed: tuple[int, ...]
    gone: tuple[int, ...]
    different: tuple[str, ...]
    version: str | None


def rerun(engine: Engine, fit_id: int) -> Rerun:
    """Make a kept fit again from the rows it was made of, and compare. Writes nothing.

    SpecError for a fit that was kept without what a rerun needs.
    """
    from importlib.metadata import version

    from db.fits import kept_fit
    from scaling.scopes import fit_rows
    from scaling.settings import FitSettings

    kept = kept_fit(engine, fit_id)
    digests = {point["evaluation_id"]: point["content_sha256"] for point in kept.points}
    if kept.fit["sweep_id"] is None or None in digests.values() or not digests:
        raise SpecError(
            f"Fit {fit_id} was kept without the digests of its rows, by an older rlsweep or another program: it cannot "
            "be made again. Fit the sweep anew."
        )
    settings = FitSettings.restored(kept.fit["scope"], kept.fit["settings"])
    rows = _rows_now(engine, kept.fit["sweep_id"])
    added, changed, gone = _compared(rows, digests, settings)
    is_same: bool | None = None
    different: tuple[str, ...] = ()
    if not changed and not gone:
        again = fit_rows([row for row in rows if row["evaluation_id"] in digests], settings).records
        different = _different(kept, again)
        is_same = not different
    by = kept.fit["rlsweep_version"]
    return Rerun(fit_id, is_same, added, changed, gone, different, by if by != version("rlsweep") else None)


def _rows_now(engine: Engine, sweep_id: int) -> list[Row]:
    from db.reader import Reader

    reader = Reader(engine)
    return [dict(row) for row in reader.curve([trial.trial_id for trial in reader.trials(sweep_id)])]


def _compared(rows: Sequence[Row], digests: Mapping[int, str], settings: Any) -> tuple[tuple[int, ...], ...]:
    """Evaluations that are new, that measured something else, and that are gone."""
    from scaling.errors import FitError
    from scaling.observations import row_sha256
    from scaling.selection import select

    now = {int(row["evaluation_id"]): row_sha256(row) for row in rows}  # type: ignore[call-overload]
    try:
        chosen = {int(row["evaluation_id"]) for row in select(rows, settings)}  # type: ignore[call-overload]
    except FitError:  # what the fit was about is not there any more
        chosen = set()
    added = sorted(chosen - digests.keys())
    changed = sorted(number for number, digest in digests.items() if number in now and now[number] != digest)
    return tuple(added), tuple(changed), tuple(sorted(digests.keys() - now.keys()))


def _different(kept: FitRecords, again: FitRecords) -> tuple[str, ...]:
    """The parts that are not the same, by name."""
    from scaling.records import said

    parts = ("fit", "parameters", "points", "holdouts", "forms", "checks")
    return tuple(name for name in parts if said(kept, name) != said(again, name))
