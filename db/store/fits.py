"""Keeping fits. A fit is written once, whole, and never changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, insert

from db.database import begin_write
from db.records import FitRecords
from db.tables import Base, Fit, FitCheck, FitForm, FitHoldout, FitParameter, FitPoint


class FitStore:
    """Writes fits. See the package's docstring for the contract."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, records: FitRecords) -> int:
        """Keep a fit with all its parts; returns its number."""
        parts: list[tuple[type[Base], list[dict[str, Any]]]] = [
            (FitParameter, records.parameters),
            (FitPoint, records.points),
            (FitHoldout, records.holdouts),
            (FitForm, records.forms),
            (FitCheck, records.checks),
        ]
        with begin_write(self._engine) as connection:
            fit_id = int(connection.execute(insert(Fit).values(records.fit).returning(Fit.id)).scalar_one())
            for table, rows in parts:
                if rows:
                    connection.execute(insert(table), [row | {"fit_id": fit_id} for row in rows])
        return fit_id
