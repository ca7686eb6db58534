"""Read-only connections: the database refuses every write, shows what is committed, and stops when time is over."""

from __future__ import annotations

import math
import re
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
import tracemalloc
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, select, text

from db.connection.engines import begin_write
from db.database import open_database
from db.errors import DatabaseError, SchemaVersionError, SpecError
from db.querying.readonly import open_read_only, stream_rows, superuser
from db.tables import Base, Trial
from db.upkeep.revisions import VERSION_TABLE
from tests.filled import fill
from tests.permissions import as_nobody
from tests.postgresql import PostgresqlServer

ROW = "model (name, created_at) VALUES ('x', '2026-01-01 00:00:00')"

COUNT = "SELECT count(*) FROM trial"
NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n{bound}) "

ATTACKS = [
    f"INSERT INTO {ROW}",
    "UPDATE trial SET state = 'succeeded'",
    "DELETE FROM step",
    "/* SELECT */ DELETE FROM step",
    "-- SELECT\nDELETE FROM step",
    "DROP TABLE evaluation_item",
    "DROP VIEW live_step",
    "ALTER TABLE trial ADD COLUMN x INTEGER",
    "CREATE TABLE x (y INTEGER)",
    "CREATE TEMP TABLE x (y INTEGER)",
    "CREATE VIEW x AS SELECT 1",
    "CREATE INDEX x ON trial (model)",
    "CREATE TABLE x AS SELECT * FROM trial",
    "SELECT 1; DROP TABLE evaluation_item",
    "SELECT 1; DELETE FROM step; SELECT 1",
    "COMMIT; DROP TABLE evaluation_item",
    "ROLLBACK; DELETE FROM step",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT a",
    "WITH a AS (SELECT 1) DELETE FROM step",
    f"WITH a AS (SELECT 1) INSERT INTO {ROW}",
    f"INSERT INTO {ROW} RETURNING id",
    "DELETE FROM step RETURNING step",
    "EXPLAIN SELECT 1; DELETE FROM step",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "",
    "-- nothing",
]
SQLITE_ATTACKS = [
    "EXPLAIN DELETE FROM step",
    "REPLACE INTO model (id, name, created_at) VALUES (1, 'x', '2026-01-01 00:00:00')",
    "ATTACH 'other.db' AS other",
    "ATTACH DATABASE 'file:rlsweep.db?mode=rw' AS other",
    "DETACH main",
    "VACUUM INTO 'copy.db'",
    "CREATE TEMP TRIGGER x AFTER INSERT ON trial BEGIN DELETE FROM step; END",
    "CREATE VIRTUAL TABLE temp.x USING fts5(y)",
    "UPDATE sqlite_master SET sql = ''",
    "UPDATE sqlite_schema SET sql = '' WHERE name = 'trial'",
    "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, '')",
    "DELETE FROM sqlite_master",
    "PRAGMA query_only = OFF",
    "PRAGMA query_only(0)",
    "pragma QUERY_ONLY = 0",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version = 5",
    "PRAGMA application_id = 5",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA optimize",
    "PRAGMA incremental_vacuum",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA temp_store_directory = '/'",
    "SELECT load_extension('x')",
    "SELECT LOAD_EXTENSION('x', 'y')",
    "SELECT writefile('x', 'y')",
    "SELECT * FROM pragma_wal_checkpoint",
    "SELECT * FROM pragma_user_version(5)",
]
POSTGRESQL_ATTACKS = [
    "EXPLAIN ANALYZE DELETE FROM step",
    "explain (analyze, verbose) SELECT write_a_row()",
    "EXPLAIN SELECT 1; COMMIT; DELETE FROM step",
    "WITH gone AS (DELETE FROM step RETURNING *) SELECT * FROM gone",
    f"WITH new AS (INSERT INTO {ROW} RETURNING id) SELECT * FROM new",
    "SET transaction_read_only = off",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT set_config('transaction_read_only', 'off', true), write_a_row()",
    "SELECT write_a_row()",
    "SELECT leave_and_write()",
    "SELECT unlock_and_write()",
    "SELECT query_to_xml('DELETE FROM step', true, true, '')",
    "SELECT query_to_xml('DELETE FROM step RETURNING step', true, true, '')",
    "SELECT nextval('model_id_seq')",
    "SELECT setval('model_id_seq', 1000)",
    "SELECT lo_import('/etc/hostname')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT * FROM trial FOR UPDATE",
    "SELECT * INTO x FROM trial",
    "COPY trial TO PROGRAM 'cat'",
    "COPY trial FROM PROGRAM 'echo 1'",
    "COPY (SELECT 1) TO 'copied.csv'",
    "TRUNCATE step",
    "LOCK TABLE trial",
    "MERGE INTO model USING trial ON true WHEN MATCHED THEN DELETE",
    "DO $$ BEGIN DELETE FROM step; END $$",
    "CALL write_a_row()",
    "PREPARE x AS DELETE FROM step",
    "EXECUTE x",
    "DECLARE x CURSOR FOR SELECT 1",
    "CLOSE ALL",
    "DISCARD ALL",
    "NOTIFY x",
    "GRANT ALL ON trial TO PUBLIC",
    "CREATE ROLE x",
    "SECURITY LABEL ON TABLE trial IS 'x'",
    "REFRESH MATERIALIZED VIEW x",
]
QUERIES = [  # each is answered with one row: 3
    "SELECT count(*) FROM trial",
    "SELECT count(*) FROM trial;",
    "  select count(*) from trial -- all of them",
    "WITH t AS (SELECT * FROM trial) SELECT count(*) FROM t",
    "VALUES (3)",
    "SELECT count(*) FROM trial WHERE model LIKE '%' AND ':x' <> '%s'",
    "SELECT DISTINCT (SELECT count(*) FROM trial) FROM learning_curve",
]
REFUSALS = [
    ("SELECT * FROM learning_curv", r"learning_curv(?s:.*)Did you mean learning_curve"),
    ("SELECT * FROM nothing_like_it", r"Views: learning_curve, .*`rlsweep sql` lists the tables too"),
    ("SELECT modl FROM trial", r"modl(?s:.*)Did you mean model"),
    ("SELECT 1,\n  2 FROM trial WHERE )", r'near "\)"(?s:.*)(line 2, column 22|LINE 2:   2 FROM trial WHERE \))'),
    ("SELECT modl FROM learning_curve", r"modl(?s:.*)Did you mean model\?$"),
    ("SELECT reward FROM learning_curve", r"reward(?s:.*)reward is a column of live_step, step\."),
    ("SELECT xyz FROM learning_curve", r"xyz(?s:.*)`rlsweep sql --describe learning_curve` lists the columns"),
    ("SELECT 1; SELECT 2", r"(one statement|multiple commands)[^\n]*\.? ?\n?Write one statement: .* first `;`\.$"),
    ("VACUUM", r"(?s:.*)The connection only reads: one SELECT"),
    ("DELETE FROM step", r"(?s:.*)The connection only reads: one SELECT"),
]
WRITING_FUNCTIONS = [
    f"CREATE FUNCTION write_a_row() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN INSERT INTO {ROW}; RETURN 1; END $$",
    "CREATE FUNCTION leave_and_write() RETURNS integer LANGUAGE plpgsql AS "
    f"$$ BEGIN COMMIT; INSERT INTO {ROW}; RETURN 1; END $$",
    "CREATE FUNCTION unlock_and_write() RETURNS integer LANGUAGE plpgsql AS "
    f"$$ BEGIN SET LOCAL transaction_read_only = off; INSERT INTO {ROW}; RETURN 1; END $$",
]


def rows(engine: Engine, query: Any, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with stream_rows(engine, query, parameters) as stream:
        return [tuple(row) for batch in stream.batches for row in batch]


def is_refused(engine: Engine, query: str, parameters: dict[str, Any] | None = None) -> bool:
    try:
        rows(engine, query, parameters)
    except SpecError:
        return True
    return False


def contents(engine: Engine) -> dict[str, Any]:
    """Every row of every table, every relation's name, and on PostgreSQL where its sequences stand."""
    with engine.connect() as connection:
        found: dict[str, Any] = {
            name: sorted(map(repr, connection.execute(text(f"SELECT * FROM {name}"))))
            for name in (*Base.metadata.tables, VERSION_TABLE)
        }
        listing = "SELECT relname, relacl FROM pg_class WHERE relkind IN ('r', 'v', 'i', 'S')"
        if engine.dialect.name == "sqlite":
            listing = "SELECT type, name, sql FROM sqlite_master"
        else:
            found["sequences"] = repr(connection.execute(text("SELECT * FROM pg_sequences")).all())
        found["relations"] = sorted(map(repr, connection.execute(text(listing))))
    return found


@pytest.fixture
def filled(database: Engine) -> Engine:
    """An engine that writes, on a database with rows."""
    fill(database)
    return database


@pytest.fixture
def reading(filled: Engine) -> Engine:
    """An engine that reads the same database."""
    return open_read_only(filled.url)


def test_what_is_no_query_is_refused_and_changes_nothing(filled: Engine, reading: Engine) -> None:
    before = contents(filled)
    for attack in ATTACKS:
        assert is_refused(reading, attack), attack
        assert is_refused(reading, attack, {}), attack
    assert contents(filled) == before


def test_sqlite_refuses_other_files_settings_and_extensions(
    sqlite_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(sqlite_database)
    sqlite_database.dispose()
    file = Path(str(sqlite_database.url.database))
    monkeypatch.chdir(tmp_path)
    before = file.read_bytes()
    reading = open_read_only(sqlite_database.url)
    for attack in (*ATTACKS, *SQLITE_ATTACKS):
        assert is_refused(reading, attack), attack
    assert file.read_bytes() == before
    log = file.with_name(f"{file.name}-wal")
    assert {path.name for path in tmp_path.iterdir()} <= {file.name, log.name, f"{file.name}-shm"}
    assert not log.exists() or log.stat().st_size == 0


def test_postgresql_refuses_what_would_write_or_leave_the_transaction(postgresql_database: Engine) -> None:
    fill(postgresql_database)
    with postgresql_database.begin() as connection:
        for function in WRITING_FUNCTIONS:
            connection.exec_driver_sql(function)
    before = contents(postgresql_database)
    reading = open_read_only(postgresql_database.url)
    for attack in POSTGRESQL_ATTACKS:
        assert is_refused(reading, attack), attack
    assert contents(postgresql_database) == before


def test_explain_shows_a_plan_and_changes_nothing(filled: Engine, reading: Engine) -> None:
    before = contents(filled)
    sqlite = filled.dialect.name == "sqlite"
    assert rows(reading, f"-- why?\nEXPLAIN {'QUERY PLAN ' if sqlite else ''}SELECT * FROM learning_curve")
    if not sqlite:
        assert rows(reading, "explain select * from step where step > :least", {"least": 3})
        # PostgreSQL lets EXPLAIN make a table even in a READ ONLY transaction, which then is not committed.
        for query in ("EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "EXPLAIN DELETE FROM step"):
            assert rows(reading, query)
    assert contents(filled) == before


def test_what_a_query_does_to_its_postgresql_session_ends_with_it(postgresql_database: Engine) -> None:
    reading = open_read_only(postgresql_database.url)
    rows(reading, "SELECT set_config('default_transaction_read_only', 'off', false)")
    rows(reading, "SELECT pg_advisory_lock(4711)")
    assert rows(reading, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711") == [(0,)]
    assert rows(reading, "SELECT current_setting('transaction_read_only')") == [("on",)]


def test_a_role_that_may_only_select_is_enough(
    postgresql_database: Engine, postgresql_server: PostgresqlServer
) -> None:
    fill(postgresql_database)
    postgresql_server.execute("DROP ROLE IF EXISTS analyst")
    postgresql_server.execute("CREATE ROLE analyst LOGIN")
    with postgresql_database.begin() as connection:
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO analyst"))
    reading = open_read_only(postgresql_database.url.set(username="analyst"))
    assert rows(reading, COUNT) == [(3,)]
    with pytest.raises(SpecError, match="permission denied"):
        rows(reading, "SELECT pg_read_file('/etc/hostname')")


def test_an_ordinary_statement_of_the_engine_cannot_write_either(reading: Engine) -> None:
    with pytest.raises(Exception, match=r"not authorized|read-only transaction"), reading.begin() as connection:
        connection.execute(text("DELETE FROM step"))


def test_queries_of_every_form_are_answered(reading: Engine) -> None:
    for query in QUERIES:
        assert rows(reading, query) == [(3,)], query


def test_sqlite_explains_its_plan_and_its_tables(sqlite_database: Engine) -> None:
    reading = open_read_only(sqlite_database.url)
    assert rows(reading, "EXPLAIN QUERY PLAN SELECT * FROM step WHERE trial_id = 1")
    assert "trial_id" in [row[1] for row in rows(reading, "PRAGMA table_info(step)")]
    assert rows(reading, "SELECT name FROM pragma_table_info('sweep') WHERE pk = 1") == [("id",)]
    assert rows(reading, "SELECT value FROM json_each('[3]')") == [(3,)]


def test_parameters_take_their_places(reading: Engine) -> None:
    query = "SELECT seed FROM trial WHERE seed IN :seeds AND created_at > :since AND model <> '100%' ORDER BY seed"
    since = datetime.now(UTC) - timedelta(hours=1)
    assert rows(reading, query, {"seeds": [1, 3], "since": since}) == [(1,), (3,)]


@pytest.mark.parametrize(
    ("query", "values", "answer"),
    [
        ("SELECT count(*) FROM trial WHERE id IN :ids", {"ids": range(1, 3)}, 2),
        ("SELECT count(*) FROM trial WHERE id IN (:ids)", {"ids": [1, 3]}, 2),
        ("SELECT count(*) FROM trial WHERE id IN ( :ids, :one )", {"ids": {1}, "one": 2}, 2),
        ("SELECT count(*) FROM trial WHERE (id IN :ids)", {"ids": (1, 2, 3)}, 3),
        ("SELECT count(*) FROM trial WHERE seed = :seed AND ':seed' <> '%d' -- :what", {"seed": 1}, 1),
        ("SELECT count(*) FROM trial WHERE tau = :tau", {"tau": math.nan}, 0),
        ("SELECT CAST(CAST(:x AS TEXT) AS INTEGER) % 10", {"x": "13"}, 3),
    ],
)
def test_values_take_the_places_of_their_names(
    reading: Engine, query: str, values: dict[str, Any], answer: int
) -> None:
    assert rows(reading, query, values) == [(answer,)]


@pytest.mark.parametrize(
    ("query", "values", "message"),
    [
        ("SELECT :seed, :tau", {"tau": 1}, r"no value for :seed\. A value is given by name: .*--param seed=1"),
        ("SELECT :seed", None, "no value for :seed"),
        ("SELECT 1", {"seed": 1}, "no place for the parameter seed; it has none"),
        ("SELECT :a", {"a": 1, "seed": 1}, "no place for the parameter seed; it has :a"),
        ("SELECT :a", (1,), r"Parameters are given as \(1,\), not by name"),
        ("SELECT 1 WHERE 1 IN :a", {"a": []}, "Parameter 'a' is empty"),
        ("SELECT :a", {"a": {}}, "Parameter 'a' is {}, of type dict. It can be"),
        ("SELECT :a", {"a": 2**64}, "which is no 64-bit integer; write 1.8446"),
        ("SELECT :a", {"a": datetime(2026, 1, 1)}, "has no time zone; give an aware datetime"),
        (5, None, "The query is 5, which is no text"),
    ],
)
def test_a_value_that_does_not_fit_the_query_is_named(
    reading: Engine, query: str, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        rows(reading, query, values)


def test_sqlites_other_ways_to_write_a_parameter_are_named(sqlite_database: Engine) -> None:
    for mark in ("?", "?1", "@seed", "$seed"):
        with pytest.raises(SpecError, match=re.escape(f"a parameter written {mark}; write it :name")):
            rows(open_read_only(sqlite_database.url), f"SELECT {mark}")


def test_only_names_that_the_database_has_are_suggested(filled: Engine, reading: Engine) -> None:
    with begin_write(filled) as writing:
        writing.execute(text("DROP VIEW learning_curve CASCADE" if filled.dialect.name == "postgresql" else
                             "DROP VIEW learning_curve"))  # fmt: skip
    with pytest.raises(SpecError, match="lost its view learning_curve: `rlsweep db upgrade` makes it again"):
        rows(reading, "SELECT * FROM learning_curve")
    with pytest.raises(SpecError) as caught:
        rows(reading, "SELECT * FROM learning_curv")
    assert "learning_curve," not in str(caught.value)
    assert "mean learning_curve" not in str(caught.value)


def test_a_query_leaves_no_file_beside_a_database_that_nobody_has_open(sqlite_url: URL) -> None:
    reading = open_read_only(sqlite_url)
    folder = Path(str(sqlite_url.database)).parent
    assert rows(reading, COUNT) == [(0,)]
    assert [path.name for path in folder.iterdir()] == ["rlsweep.db"]
    with open_database(sqlite_url).connect() as held:
        held.execute(text(COUNT))
        rows(reading, COUNT)
        assert (folder / "rlsweep.db-wal").exists()


@pytest.mark.parametrize("seconds", [0, -1, math.nan, "5"])
def test_a_time_limit_that_is_none_is_refused(sqlite_url: URL, seconds: Any) -> None:
    with pytest.raises(SpecError, match="give a number of seconds above 0, or None"):
        open_read_only(sqlite_url, time_limit_seconds=seconds)


def test_a_superuser_is_told_from_a_role_that_only_reads(
    postgresql_database: Engine, postgresql_server: PostgresqlServer
) -> None:
    postgresql_server.execute("DROP ROLE IF EXISTS reader")
    postgresql_server.execute("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
    url = postgresql_database.url
    assert superuser(open_read_only(url)) == "postgres"
    reading = open_read_only(url.set(username="reader"))
    assert superuser(reading) is None
    assert rows(reading, COUNT) == [(0,)]


def test_committed_rows_are_seen_while_another_writes(filled: Engine, reading: Engine) -> None:
    with begin_write(filled) as writing:
        writing.execute(text("UPDATE trial SET model = 'unseen'"))
        assert rows(reading, "SELECT count(*) FROM trial WHERE model = 'unseen'") == [(0,)]
    assert rows(reading, "SELECT count(*) FROM trial WHERE model = 'unseen'") == [(3,)]


def test_one_query_sees_one_state_of_the_database(filled: Engine, reading: Engine) -> None:
    with stream_rows(reading, select(Trial.id), batch_rows=1) as stream:
        first = next(stream.batches)
        with begin_write(filled) as writing:
            writing.execute(text(f"INSERT INTO {ROW}"))
            writing.execute(text("UPDATE trial SET science_hash = science_hash || 'x'"))
        assert len(first) + sum(len(batch) for batch in stream.batches) == 3


def test_a_query_that_takes_too_long_is_stopped(database_url: URL) -> None:
    reading = open_read_only(database_url, time_limit_seconds=0.3)
    started = time.monotonic()
    with pytest.raises(DatabaseError, match=r"stopped after 0\.3 s.*--timeout"):
        rows(reading, NUMBERS.format(bound="") + "SELECT count(*) FROM n")
    assert time.monotonic() - started < 5


def test_rows_without_end_are_stopped_too(database_url: URL) -> None:
    reading = open_read_only(database_url, time_limit_seconds=0.3)
    with stream_rows(reading, NUMBERS.format(bound="") + "SELECT x FROM n", batch_rows=100) as stream:
        assert len(next(stream.batches)) == 100
        with pytest.raises(DatabaseError, match="stopped after"):
            deque(stream.batches, maxlen=0)


def test_the_time_that_the_reader_takes_does_not_count(database_url: URL) -> None:
    reading = open_read_only(database_url, time_limit_seconds=0.3)
    with stream_rows(reading, "VALUES (1), (2), (3)", batch_rows=1) as stream:
        for _ in stream.batches:
            time.sleep(0.2)


def test_ctrl_c_ends_a_query_at_once(database_url: URL) -> None:
    reading = open_read_only(database_url)
    press = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    started = time.monotonic()
    press.start()
    with pytest.raises(KeyboardInterrupt):
        rows(reading, NUMBERS.format(bound="") + "SELECT count(*) FROM n")
    assert time.monotonic() - started < 10


def test_memory_does_not_grow_with_the_rows(database_url: URL) -> None:
    bound = " WHERE x < 100000"
    with stream_rows(
        open_read_only(database_url), NUMBERS.format(bound=bound) + "SELECT x FROM n", batch_rows=1000
    ) as s:
        next(s.batches)
        tracemalloc.start()
        assert sum(len(batch) for batch in s.batches) == 99_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_refusal_says_where_and_what_to_do(reading: Engine) -> None:
    for query, message in REFUSALS:
        with pytest.raises(SpecError, match=message) as caught:
            rows(reading, query)
        assert caught.value.exit_code == 2


def test_a_missing_database_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="There is no database at"):
        open_read_only(URL.create("sqlite", database=str(tmp_path / "none.db")))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_gets_no_tables(empty_database_url: URL) -> None:
    if empty_database_url.get_backend_name() == "sqlite":
        Path(str(empty_database_url.database)).touch()
    for _ in range(2):
        with pytest.raises(DatabaseError, match="is empty"):
            open_read_only(empty_database_url)


def test_another_revision_is_refused_as_elsewhere(filled: Engine) -> None:
    with begin_write(filled) as writing:
        writing.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="newer than this rlsweep") as caught:
        open_read_only(filled.url)
    assert caught.value.exit_code == 5


@pytest.fixture
def snapshot(sqlite_database: Engine) -> Iterator[Path]:
    """A database in a folder where nobody may write."""
    fill(sqlite_database)
    folder = Path(tempfile.mkdtemp(prefix="rlsweep-snapshot-"))
    yield folder / "snapshot #1?.db"
    folder.chmod(0o755)
    shutil.rmtree(folder)


def freeze(source: Engine, target: Path, *suffixes: str) -> None:
    file = str(source.url.database)
    for suffix in suffixes:
        shutil.copy(f"{file}{suffix}", f"{target}{suffix}")
        Path(f"{target}{suffix}").chmod(0o444)
    target.parent.chmod(0o555)


def test_a_snapshot_in_a_folder_that_cannot_be_written_is_read(sqlite_database: Engine, snapshot: Path) -> None:
    sqlite_database.dispose()
    with sqlite3.connect(str(sqlite_database.url.database)) as last:
        last.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    freeze(sqlite_database, snapshot, "")
    with as_nobody():
        assert rows(open_read_only(URL.create("sqlite", database=str(snapshot))), COUNT) == [(3,)]
    assert [path.name for path in snapshot.parent.iterdir()] == [snapshot.name]


def test_a_living_database_in_such_a_folder_is_read_with_its_log(sqlite_database: Engine, snapshot: Path) -> None:
    with sqlite_database.connect() as held:
        held.execute(text(COUNT))
        freeze(sqlite_database, snapshot, "", "-wal", "-shm")
    with as_nobody():
        assert rows(open_read_only(URL.create("sqlite", database=str(snapshot))), COUNT) == [(3,)]


def test_a_copy_whose_log_cannot_be_used_says_what_to_do(sqlite_database: Engine, snapshot: Path) -> None:
    with sqlite_database.connect() as held:
        held.execute(text(COUNT))
        freeze(sqlite_database, snapshot, "", "-wal")
    with as_nobody(), pytest.raises(DatabaseError, match=r"-wal holds rows .* Copy both files"):
        open_read_only(URL.create("sqlite", database=str(snapshot)))


def test_a_file_that_may_not_be_read_is_named(sqlite_database: Engine, snapshot: Path) -> None:
    freeze(sqlite_database, snapshot, "")
    snapshot.chmod(0o000)
    with as_nobody(), pytest.raises(DatabaseError, match="cannot be read; ask its owner"):
        open_read_only(URL.create("sqlite", database=str(snapshot)))


def test_a_broken_server_is_not_the_querys_fault(postgresql_database: Engine) -> None:
    reading = open_read_only(postgresql_database.url)
    with stream_rows(reading, NUMBERS.format(bound="") + "SELECT x FROM n", batch_rows=1) as stream:
        next(stream.batches)
        with postgresql_database.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'FETCH%'"))
        with pytest.raises(DatabaseError, match="could not run the query"):
            list(stream.batches)


def test_another_program_may_write_while_it_is_read(sqlite_database: Engine) -> None:
    """The file is opened and closed by SQLite alone, so the process's own locks on it survive."""
    fill(sqlite_database)
    with begin_write(sqlite_database) as writing:
        writing.execute(text("UPDATE trial SET model = 'mine'"))
        rows(open_read_only(sqlite_database.url), COUNT)
        other = sqlite3.connect(str(sqlite_database.url.database), timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    assert open_database(sqlite_database.url, create=False)
