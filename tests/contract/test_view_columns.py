"""The views are the same on both databases: their columns, their types, and the Python values that come back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Engine, inspect, select, text

from db.types import UtcDateTime
from db.views import views
from tests.contract.small_study import fill, save_fit


def test_every_view_has_the_columns_that_are_described(database: Engine) -> None:
    for name, view in views.tables.items():
        made = [column["name"] for column in inspect(database).get_columns(name)]
        assert made == [column.name for column in view.columns], name


def test_postgresql_gives_every_column_the_type_that_is_described(postgresql_database: Engine) -> None:
    for name, view in views.tables.items():
        made = {column["name"]: column["type"].python_type for column in inspect(postgresql_database).get_columns(name)}
        described = {
            column.name: datetime if isinstance(column.type, UtcDateTime) else column.type.python_type
            for column in view.columns
        }
        assert made == described, name


def test_values_come_back_in_the_types_that_are_described(database: Engine) -> None:
    fill(database)
    save_fit(database, sweep_id=1)
    with database.connect() as connection:
        for name, view in views.tables.items():
            found = connection.execute(select(view)).all()
            assert found, f"{name} is empty, so nothing of it was tried"
            for column, values in zip(view.columns, zip(*found, strict=True), strict=True):
                kind = datetime if isinstance(column.type, UtcDateTime) else column.type.python_type
                given = {type(value) for value in values if value is not None}
                assert given <= {kind}, f"{name}.{column.name}"
                assert all(value.tzinfo for value in values if isinstance(value, datetime))


def test_a_plain_query_of_a_view_gives_no_decimals(database: Engine) -> None:
    fill(database)
    save_fit(database, sweep_id=1)
    with database.connect() as connection:
        for name in views.tables:
            found = connection.execute(text(f"SELECT * FROM {name}")).all()
            assert not any(isinstance(value, Decimal) for row in found for value in row), name
