"""A kept fit, made again: the same to the bit, or which of its evaluations have changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from db.errors import SpecError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from db.records import FitRecords
    from scaling.observations import Row
    from scaling.settings import FitSettings

    Then: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class RowChange:
    """One evaluation that the fit and the sweep do not agree on. `was` and `now`: scores, None where not known."""

    model: str
    seed: int | None
    step: int
    benchmark: str
    protocol: str
    was: float | None
    now: float | None


@dataclass(frozen=True)
class Rerun:
    """What became of a fit that was made again.

    `is_same`: every number of it, from the rows that it was made of; None where those are not there any more.
    `changed`, `gone` and `new`: evaluations that measured something else then, that the sweep has no more, and that it
    has now and the fit had not. `different`: the parts of the fit that came out different from the same rows.
    `version`: of the code that made the fit, where that was another one.
    """

    fit_id: int
    is_same: bool | None
    changed: tuple[RowChange, ...]
    gone: tuple[RowChange, ...]
    new: tuple[RowChange, ...]
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
    if kept.fit["sweep_id"] is None or not kept.points or any(each["content_sha256"] is None for each in kept.points):
        raise SpecError(
            f"Fit {fit_id} was kept without the digests of its rows, by an older rlsweep or another program: it cannot "
            "be made again. Fit the sweep anew."
        )
    settings = FitSettings.restored(kept.fit["scope"], kept.fit["settings"])
    then = _rows_then(engine, fit_id)
    now = _rows_now(engine, kept.fit["sweep_id"])
    same, changed, gone, left = _matched(then, now)
    is_same: bool | None = None
    different: tuple[str, ...] = ()
    if not changed and not gone:
        again = fit_rows(same, settings).records
        different = _different(kept, again)
        is_same = not different
    by = kept.fit["rlsweep_version"]
    return Rerun(
        fit_id=fit_id,
        is_same=is_same,
        changed=_changes((old, new) for old, new in changed),
        gone=_changes((old, None) for old in gone),
        new=_changes((None, row) for row in _chosen(left, settings)),
        different=different,
        version=by if by != version("rlsweep") else None,
    )


def _rows_then(engine: Engine, fit_id: int) -> list[Then]:
    """The evaluations that the fit was made of as the database has them now, live or not, each with its digest then."""
    from sqlalchemy import select

    from db.tables import Evaluation, FitPoint, Model, Trial

    columns = (Evaluation.id, Evaluation.trial_id, Evaluation.step, Evaluation.benchmark, Evaluation.protocol)
    statement = (
        select(*columns, Evaluation.score, Trial.seed, Model.name.label("model"), FitPoint.content_sha256)
        .join(FitPoint, FitPoint.evaluation_id == Evaluation.id)
        .join(Trial, Trial.id == Evaluation.trial_id)
        .join(Model, Model.id == Trial.model_id)
        .where(FitPoint.fit_id == fit_id)
        .order_by(Evaluation.id)
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def _rows_now(engine: Engine, sweep_id: int) -> list[Row]:
    from db.reader import Reader

    reader = Reader(engine)
    return [dict(row) for row in reader.curve([trial.trial_id for trial in reader.trials(sweep_id)])]


def _matched(
    then: Sequence[Then], now: Sequence[Row]
) -> tuple[list[Row], list[tuple[Then, Row]], list[Then], list[Row]]:
    """Rows that measured the same, those that did not, those of then that are gone, and those of now that are left.

    What was measured decides first, so that a file imported again under other numbers changes nothing; then the place
    in the run, and then in any run of the same model and seed.
    """
    from scaling.observations import row_sha256

    digests_now = {id(row): row_sha256(row) for row in now}
    same: list[Row] = []
    changed: list[tuple[Then, Row]] = []
    gone, left = list(then), list(now)
    ways: tuple[tuple[Callable[[Then], Hashable], Callable[[Row], Hashable]], ...] = (
        (lambda old: (old["id"], old["content_sha256"]), lambda row: (row["evaluation_id"], digests_now[id(row)])),
        (lambda old: old["content_sha256"], lambda row: digests_now[id(row)]),
        (lambda old: (old["trial_id"], *_place(old)), lambda row: (row["trial_id"], *_place(row))),
        (lambda old: (old["model"], old["seed"], *_place(old)), lambda row: (row["model"], row["seed"], *_place(row))),
    )
    for rank, (key_then, key_now) in enumerate(ways):
        found, gone, left = _paired(gone, left, key_then, key_now)
        if rank < 2:
            same += [row for _, row in found]
        else:
            changed += found
    return same, changed, gone, left


def _place(row: Mapping[str, Any]) -> tuple[Hashable, ...]:
    return row["step"], row["benchmark"], row["protocol"]


def _paired(
    then: Sequence[Then], now: Sequence[Row], key_then: Callable[[Then], Hashable], key_now: Callable[[Row], Hashable]
) -> tuple[list[tuple[Then, Row]], list[Then], list[Row]]:
    """Pairs of equal keys, first come first served, and what is left of both."""
    waiting: dict[Hashable, list[Row]] = defaultdict(list)
    for row in reversed(now):
        waiting[key_now(row)].append(row)
    pairs, alone = [], []
    for old in then:
        candidates = waiting.get(key_then(old))
        if candidates:
            pairs.append((old, candidates.pop()))
        else:
            alone.append(old)
    taken = {id(row) for _, row in pairs}
    return pairs, alone, [row for row in now if id(row) not in taken]


def _chosen(rows: Sequence[Row], settings: FitSettings) -> list[Row]:
    """Those that the fit would take in today."""
    from scaling.selection import select

    try:
        return select(rows, settings)
    except SpecError:  # none of them is what the fit was about
        return []


def _changes(pairs: Iterable[tuple[Then | None, Row | None]]) -> tuple[RowChange, ...]:
    """In the order of model, seed and step."""
    changes = [_change(old, new) for old, new in pairs]
    return tuple(sorted(changes, key=lambda each: (each.model, each.seed or 0, each.step, each.benchmark)))


def _change(old: Then | None, new: Row | None) -> RowChange:
    named: Mapping[str, Any] = new if new is not None else old or {}
    # A row that was written over holds what is measured now, and nobody knows what it held.
    is_overwritten = old is not None and new is not None and old["id"] == new["evaluation_id"]
    was = None if old is None or is_overwritten else float(old["score"])
    now: Any = None if new is None else new["score"]
    return RowChange(
        model=str(named["model"]), seed=named["seed"], step=int(named["step"]), benchmark=str(named["benchmark"]),
        protocol=str(named["protocol"]), was=was, now=None if now is None else float(now),
    )  # fmt: skip


def _different(kept: FitRecords, again: FitRecords) -> tuple[str, ...]:
    """The parts that are not the same, by name."""
    from scaling.records import said

    parts = ("fit", "parameters", "points", "holdouts", "forms", "checks")
    return tuple(name for name in parts if said(kept, name) != said(again, name))
