"""The declarative base: one naming rule for constraints, so that migrations can name what they change."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, Double, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase

from db.types import UtcDateTime

# SQLite only numbers rows by itself in a column whose type is exactly INTEGER.
Identifier = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, float: Double, int: BigInteger}  # noqa: RUF012


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """A check that `column` holds one of the words of `values`."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=f"{column}_known")
