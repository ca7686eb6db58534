"""Opening databases: what is made on the spot, and what is refused in which words."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, inspect, text

from db.connection.engines import begin_write, connect
from db.database import check_single_node, open_database, resolve_url
from db.errors import DatabaseError, SchemaVersionError
from db.querying.readonly import open_read_only
from db.tables import Base
from db.upkeep.revisions import VERSION_TABLE
from db.views import views
from tests.postgresql import PostgresqlServer


def test_an_empty_place_gets_the_tables_and_views(empty_database_url: URL) -> None:
    found = inspect(open_database(empty_database_url))
    assert set(found.get_table_names()) == {*Base.metadata.tables, VERSION_TABLE}
    assert set(views.tables) <= set(found.get_view_names())


def test_the_views_have_the_columns_that_queries_expect(database: Engine) -> None:
    for name, view in views.tables.items():
        made = [column["name"] for column in inspect(database).get_columns(name)]
        assert made == [column.name for column in view.columns], name


def test_the_migrations_make_what_the_models_describe(database: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_every_table_and_column_is_commented() -> None:
    for table in Base.metadata.tables.values():
        assert table.comment, table.name
        assert [column.name for column in table.columns if not column.comment] == [], table.name


def test_sqlite_writes_ahead_and_checks_foreign_keys(sqlite_database: Engine) -> None:
    with sqlite_database.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_two_that_open_a_new_file_at_once_both_succeed(tmp_path: Path) -> None:
    url = resolve_url(str(tmp_path / "new.db"))
    failures: list[BaseException] = []

    def opening() -> None:
        try:
            open_database(url)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE users (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"another program's tables \(users"):
        open_database(resolve_url(str(path)))
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n" * 1000)
    with pytest.raises(DatabaseError, match=r"notes\.txt: file is not a database"):
        open_database(resolve_url(str(path)))
    assert path.read_text() == "buy milk\n" * 1000
    with pytest.raises(DatabaseError, match=r"is not a database\. Name an SQLite file with --db, .*a backup\.$"):
        open_read_only(resolve_url(path))


@pytest.mark.parametrize("given", [5, b"rlsweep.db", object()])
def test_what_is_neither_a_path_nor_text_is_refused(given: Any) -> None:
    with pytest.raises(DatabaseError, match=r"neither a path nor text\. Give a path for SQLite"):
        resolve_url(given)


def test_a_path_is_a_database_too(tmp_path: Path) -> None:
    assert resolve_url(tmp_path / "a.db").database == str(tmp_path / "a.db")


def test_a_sentence_ends_with_one_stop(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"Is the server running there\?$"):
        open_database(resolve_url(f"postgresql+psycopg://me@/x?host={tmp_path}"))


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("9999", r"newer than this rlsweep's .* Upgrade rlsweep"),
        ("0001", "older than this rlsweep's .* `rlsweep db upgrade`"),
        ("0000", "does not know"),
        ("4c2f", "does not know"),
    ],
)
def test_another_revision_is_named_with_its_own_exit_code(database: Engine, revision: str, message: str) -> None:
    with begin_write(database) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    with pytest.raises(SchemaVersionError, match=message) as caught:
        open_database(database.url)
    assert caught.value.exit_code == 5


def test_places_where_no_database_can_be_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="is a folder"):
        open_database(resolve_url(str(tmp_path)))
    with pytest.raises(DatabaseError, match="does not exist; make it first"):
        open_database(resolve_url(str(tmp_path / "none" / "a.db")))
    with pytest.raises(DatabaseError, match="There is no database at"):
        open_database(resolve_url(str(tmp_path / "a.db")), create=False)
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/name", "not on mysql|is not a database URL"),
        ("nonsense://host", "Give a path for SQLite, or postgresql"),
        ("postgresql+nonsense://host/name", "Give a path for SQLite, or postgresql"),
        ("postgresql://host:port/name", "Give a path for SQLite, or postgresql"),
        ("postgresql+asyncpg://host/name", r"write postgresql\+psycopg://|is not a database URL"),
        ("sqlite:///:memory:", "An in-memory database would be empty"),
    ],
)
def test_other_databases_are_refused(url: str, message: str) -> None:
    with pytest.raises(DatabaseError, match=message):
        open_database(resolve_url(url))


def test_a_password_is_not_repeated_in_an_error() -> None:
    with pytest.raises(DatabaseError) as caught:
        resolve_url("nonsense://me:s3cret@host/name")
    assert "s3cret" not in str(caught.value)


def test_a_relative_url_means_this_folder_wherever_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_url("sqlite:///here.db").database == str(tmp_path / "here.db")
    assert resolve_url("here.db").database == str(tmp_path / "here.db")


def test_an_empty_file_is_not_filled_by_reading_it(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(DatabaseError, match=r"is empty\. `rlsweep submit` and `rlsweep import` make its tables"):
        open_database(resolve_url(str(tmp_path / "empty.db")), create=False)
    assert (tmp_path / "empty.db").stat().st_size == 0


def test_the_environment_names_the_database_unless_the_command_line_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLSWEEP_DB", "/somewhere/a.db")
    assert resolve_url(None).database == "/somewhere/a.db"
    assert resolve_url("/elsewhere/b.db").database == "/elsewhere/b.db"


def test_an_empty_database_is_not_filled_by_reading_it(postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.new_database(empty=True)
    with pytest.raises(DatabaseError, match=r"is empty\. `rlsweep submit` and `rlsweep import` make its tables"):
        open_database(url, create=False)
    assert inspect(connect(url)).get_table_names() == []
    postgresql_server.drop_database(url)


def test_another_programs_tables_are_refused_on_a_server_too(postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.new_database(empty=True)
    postgresql_server.execute("CREATE TABLE users (name TEXT)", database=str(url.database))
    with pytest.raises(DatabaseError, match=r"another program's tables \(users"):
        open_database(url)
    postgresql_server.drop_database(url)


def test_a_cluster_of_several_nodes_needs_postgresql(tmp_path: Path) -> None:
    url = resolve_url(str(tmp_path / "a.db"))
    check_single_node(url, num_nodes=1)
    check_single_node(resolve_url("postgresql+psycopg://host/name"), num_nodes=3)
    with pytest.raises(DatabaseError, match=r"(?s)has 3 nodes, and .*a\.db is an SQLite file.*PostgreSQL"):
        check_single_node(url, num_nodes=3)


def test_an_old_sqlite_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    with pytest.raises(DatabaseError, match=r"SQLite 3\.34\.1; rlsweep needs 3\.35 or newer.*PostgreSQL"):
        open_database(resolve_url(str(tmp_path / "a.db")))
