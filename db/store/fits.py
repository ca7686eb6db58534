"""Keeping fits. A fit is written once, whole, and never changed; the same fit of the same rows is kept once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from db.connection.engines import begin_write
from db.connection.locks import hold
from db.records import FitRecords
from db.store.values import stored
from db.tables import Base, Fit, FitCheck, FitForm, FitHoldout, FitParameter, FitPoint


class FitStore:
    """Writes fits. See the package's docstring for the contract."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, records: FitRecords) -> int:
        """Keep a fit with all its parts, unless it is there already; returns its number.

        Parts are numbered in their order; a column that a part does not name is NULL.
        """
        parts: list[tuple[type[Base], list[dict[str, Any]]]] = [
            (FitParameter, records.parameters),
            (FitPoint, records.points),
            (FitHoldout, records.holdouts),
            (FitForm, records.forms),
            (FitCheck, records.checks),
        ]
        with begin_write(self._engine) as connection:
            hold(connection, "fit")  # of two equal ones at once, the second is to find the first
            known = _known(connection, records.fit)
            if known is not None:
                return known
            fit_id = int(
                connection.execute(insert(Fit).values(stored(Fit, records.fit)).returning(Fit.id)).scalar_one()
            )
            for table, rows in parts:
                if rows:
                    connection.execute(
                        insert(table), [_part(table, row, fit_id, place) for place, row in enumerate(rows)]
                    )
        return fit_id


def _known(connection: Connection, fit: dict[str, Any]) -> int | None:
    """The number of the fit that the same code made of the same rows with the same settings."""
    same = [Fit.sweep_id, Fit.scope, Fit.data_sha256, Fit.rlsweep_version]
    statement = select(Fit.id, Fit.settings).where(*(column == fit[column.key] for column in same)).order_by(Fit.id)
    return next((row.id for row in connection.execute(statement) if row.settings == fit["settings"]), None)


def _part(table: type[Base], row: dict[str, Any], fit_id: int, place: int) -> dict[str, Any]:
    columns = table.__table__.columns.keys()
    whole = dict.fromkeys(columns) | stored(table, row) | {"fit_id": fit_id}
    return whole | {"position": place} if "position" in columns else whole
