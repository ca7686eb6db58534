"""docs/schema.md says what is in the models, and what it says is so in real databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text

from db.description.catalog import Relation, relations
from db.description.documentation import may_be_null, schema_page
from tests.study_database import fill

PAGE = Path(__file__).parents[2] / "docs" / "schema.md"
RELATIONS = relations().values()
VIEWS = [each for each in RELATIONS if each.is_view]
TABLES = [each for each in RELATIONS if not each.is_view]


def test_the_page_is_what_the_models_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == schema_page(), "docs/schema.md is out of date: make docs"


def test_every_view_and_table_has_a_section() -> None:
    headings = [line.removeprefix("### ") for line in schema_page().splitlines() if line.startswith("### ")]
    assert sorted(headings) == sorted(each.name for each in RELATIONS)


def test_every_table_is_in_the_diagram() -> None:
    diagram = schema_page().partition("```mermaid\n")[2].partition("```")[0]
    boxes = [line.removesuffix(" {").strip() for line in diagram.splitlines() if line.endswith(" {")]
    assert sorted(boxes) == sorted(each.name for each in TABLES)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda each: each.name)
def test_every_comment_is_a_sentence(relation: Relation) -> None:
    comments = {relation.name: relation.comment} | {column.name: column.comment for column in relation.columns}
    assert [name for name, comment in comments.items() if not comment.endswith(".")] == []


def test_a_database_has_the_columns_of_the_page(database: Engine) -> None:
    found = inspect(database)
    for each in RELATIONS:
        # A column that a later revision added stands last in its table, and where it belongs on the page.
        kept = sorted(column["name"] for column in found.get_columns(each.name))
        assert kept == sorted(column.name for column in each.columns), each.name


def test_a_database_refuses_null_where_the_page_has_none(database: Engine) -> None:
    found = inspect(database)
    for table in TABLES:
        nullable = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert nullable == {name: may_be_null(table, name) for name in nullable}, table.name


def test_a_database_has_the_foreign_keys_of_the_page(database: Engine) -> None:
    found = inspect(database)
    for each in TABLES:
        kept = {
            (column, key["referred_table"], referred)
            for key in found.get_foreign_keys(each.name)
            for column, referred in zip(key["constrained_columns"], key["referred_columns"], strict=True)
        }
        told = {
            (column.name, key.column.table.name, key.column.name)
            for column in each.table.columns
            for key in column.foreign_keys
        }
        assert kept == told, each.name


def test_no_row_of_a_view_lacks_what_the_page_says_it_has(database: Engine) -> None:
    fill(database)
    with database.connect() as connection:
        for view in VIEWS:
            promised = [column.name for column in view.columns if not may_be_null(view, column.name)]
            counts = ", ".join(f"COUNT({name}) AS {name}" for name in promised)
            row = connection.execute(text(f"SELECT COUNT(*) AS num_rows, {counts} FROM {view.name}")).mappings().one()
            assert row["num_rows"] > 0, view.name
            assert [name for name in promised if row[name] != row["num_rows"]] == [], view.name


def test_postgresql_has_the_same_comments(postgresql_database: Engine) -> None:
    of_relation = text("SELECT obj_description(CAST(:name AS regclass), 'pg_class')")
    of_columns = text(
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = CAST(:name AS regclass) AND attnum > 0 AND NOT attisdropped"
    )
    with postgresql_database.connect() as connection:
        for each in RELATIONS:
            assert connection.scalar(of_relation, {"name": each.name}) == each.comment
            kept = {row[0]: row[1] for row in connection.execute(of_columns, {"name": each.name})}
            assert kept == {column.name: column.comment for column in each.columns}, each.name
