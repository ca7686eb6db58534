"""Fits as they were kept: what a rerun is compared with."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select

from db.errors import DatabaseError
from db.records import FitRecords
from db.tables import Base, Fit, FitCheck, FitForm, FitHoldout, FitParameter, FitPoint


def kept_fit(engine: Engine, fit_id: int) -> FitRecords:
    """A fit with all its parts, each in its order. DatabaseError if there is none of that number."""
    with engine.connect() as connection:
        found = connection.execute(select(*Fit.__table__.columns).where(Fit.id == fit_id)).mappings().first()
        if found is None:
            raise DatabaseError(f"There is no fit {fit_id} in this database; the view fit_summary lists them.")

        def part(table: type[Base], *order: Any) -> list[dict[str, Any]]:
            columns = table.__table__.columns
            statement = select(*columns).where(columns["fit_id"] == fit_id).order_by(*order)
            return [dict(row) for row in connection.execute(statement).mappings()]

        return FitRecords(
            fit=dict(found),
            parameters=part(FitParameter, FitParameter.position),
            points=part(FitPoint, FitPoint.evaluation_id),
            holdouts=part(FitHoldout, FitHoldout.position),
            forms=part(FitForm, FitForm.position),
            checks=part(FitCheck, FitCheck.position),
        )
