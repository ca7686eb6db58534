"""Opening databases: what is made on the spot, and what is refused in which words."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from db.database import HEAD_REVISION, VERSION_TABLE, begin_write, open_database, resolve_url
from db.errors import DatabaseError, SchemaVersionError
from db.migrate import alembic_config
from db.tables import Base
from db.views import views


def test_a_new_file_gets_its_tables_and_views(tmp_path: Path) -> None:
    engine = open_database(resolve_url(str(tmp_path / "new.db")))
    found = inspect(engine)
    assert set(found.get_table_names()) == {*Base.metadata.tables, VERSION_TABLE}
    assert set(views.tables) <= set(found.get_view_names())


def test_the_views_have_the_columns_that_queries_expect(tmp_path: Path) -> None:
    engine = open_database(resolve_url(str(tmp_path / "new.db")))
    for name, view in views.tables.items():
        made = [column["name"] for column in inspect(engine).get_columns(name)]
        assert made == [column.name for column in view.columns], name


def test_the_migrations_make_what_the_models_describe(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = open_database(resolve_url(str(tmp_path / "new.db")))
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_code_names_the_newest_revision(tmp_path: Path) -> None:
    from alembic.script import ScriptDirectory

    engine = open_database(resolve_url(str(tmp_path / "new.db")))
    with engine.connect() as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection))
        assert scripts.get_heads() == [HEAD_REVISION]


def test_every_table_and_column_is_commented() -> None:
    for table in Base.metadata.tables.values():
        assert table.comment, table.name
        assert [column.name for column in table.columns if not column.comment] == [], table.name


def test_sqlite_writes_ahead_and_checks_foreign_keys(tmp_path: Path) -> None:
    engine = open_database(resolve_url(str(tmp_path / "new.db")))
    with engine.connect() as connection:
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


@pytest.mark.parametrize(("revision", "message"), [("9999", "newer than this rlsweep"), ("0000", "older than this")])
def test_another_revision_is_named_with_its_own_exit_code(tmp_path: Path, revision: str, message: str) -> None:
    url = resolve_url(str(tmp_path / "other.db"))
    with begin_write(open_database(url)) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))
    with pytest.raises(SchemaVersionError, match=message) as caught:
        open_database(url)
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
    "url", ["mysql://host/name", "nonsense://host", "postgresql+nonsense://host/name", "postgresql://host:port/name"]
)
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(DatabaseError):
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
    with pytest.raises(DatabaseError, match=r"is empty\. `rlsweep submit` makes its tables"):
        open_database(resolve_url(str(tmp_path / "empty.db")), create=False)
    assert (tmp_path / "empty.db").stat().st_size == 0


def test_the_environment_names_the_database_unless_the_command_line_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLSWEEP_DB", "/somewhere/a.db")
    assert resolve_url(None).database == "/somewhere/a.db"
    assert resolve_url("/elsewhere/b.db").database == "/elsewhere/b.db"
