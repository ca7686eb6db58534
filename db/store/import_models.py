"""The models of imported runs: known by name, size and variant, for nobody has seen their weights.

What is not known of a model is filled in where a run says it; what is known is never changed.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from sqlalchemy import Connection, func, insert, select, update

from db.records import ModelRecord
from db.tables import Model

OF_MODEL = ("num_params", "total_params", "nominal_params", "family", "variant")
_NOT_KEYS = ("total_params", "nominal_params", "family")


def model_id(connection: Connection, model: ModelRecord) -> int:
    """The number of the model of that name, size and variant; a new one where there is none."""
    same = [
        Model.weights_sha256.is_(None), Model.name == model.name,
        Model.num_params.is_not_distinct_from(model.num_params),
        Model.variant.is_not_distinct_from(model.variant),
    ]  # fmt: skip
    known = connection.scalar(select(func.min(Model.id)).where(*same))
    if known is None:
        return int(connection.execute(insert(Model).values(asdict(model)).returning(Model.id)).scalar_one())
    _fill(connection, known, model)
    return int(known)


def completed(connection: Connection, model: ModelRecord, stored_id: int) -> ModelRecord:
    """The model with what is stored of it under that number and the run does not say."""
    stored = connection.execute(select(Model.__table__).where(Model.id == stored_id)).one()
    return replace(model, **{name: getattr(stored, name) for name in OF_MODEL if getattr(model, name) is None})


def _fill(connection: Connection, known: int, model: ModelRecord) -> None:
    for name in _NOT_KEYS:
        value, column = getattr(model, name), Model.__table__.columns[name]
        if value is not None:
            unknown = (Model.id == known) & column.is_(None)
            connection.execute(update(Model).where(unknown).values({name: value}))
