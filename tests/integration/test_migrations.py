"""Old databases are brought up to date: nothing is lost, what is derived is right, and never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, insert, inspect, select, text

from db.connection.engines import begin_write, connect
from db.connection.locks import hold
from db.database import open_database, resolve_url
from db.errors import DatabaseError, SchemaVersionError
from db.reader import Reader
from db.tables import Attempt, Model, Trial
from db.upkeep.backup import back_up
from db.upkeep.health import Verdict, examine
from db.upkeep.migrate import Upgrade, alembic_config, alone, run_revisions, upgrade
from db.upkeep.revisions import HEAD_REVISION, REVISIONS, read_revision
from tests.old_database import FIRST, make_old_database, old_rows, rows_of
from tests.postgresql import PostgresqlServer


@pytest.fixture(autouse=True)
def _working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where backups may be left."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def old_url(empty_database_url: URL) -> URL:
    """A database at the first revision, with rows."""
    make_old_database(empty_database_url)
    return empty_database_url


def revision_of(url: URL) -> str | None:
    engine = connect(url)
    with engine.connect() as connection:
        return read_revision(connection)


_ENGINE = """
import os
from db.connection.engines import connect
from db.database import open_database, resolve_url
from db.upkeep.migrate import upgrade
engine = connect(resolve_url(os.environ["URL"]))
"""


def in_another_process(code: str, url: URL) -> subprocess.Popen[str]:
    """Run code on an engine called `engine`, on the database at `url`, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{_ENGINE}\n{code}"],
        env=os.environ | {"URL": url.render_as_string(hide_password=False)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_code_names_the_revisions_in_their_order(sqlite_database: Engine) -> None:
    from alembic.script import ScriptDirectory

    with sqlite_database.connect() as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection)).walk_revisions()
    assert tuple(script.revision for script in scripts) == tuple(reversed(REVISIONS))


def test_the_migrations_make_what_the_models_describe(database: Engine) -> None:
    verdicts = {finding.check: (finding.verdict, finding.message) for finding in examine(database)}
    assert verdicts["tables"][0] is Verdict.OK, verdicts["tables"][1]


@pytest.mark.parametrize("start", REVISIONS[:-1])
def test_every_row_outlives_an_upgrade_from_any_revision(old_url: URL, start: str) -> None:
    engine = connect(old_url)
    with alone(engine) as connection:
        run_revisions(connection, start)
    assert upgrade(engine).before == start
    after = rows_of(open_database(old_url, create=False))
    for table, rows in old_rows().items():
        assert len(after[table]) == len(rows), table
        for row, kept in zip(sorted(rows, key=lambda r: tuple(r.values())), after[table], strict=True):
            now = _as_it_is_now(table, row)
            assert {name: kept[name] for name in now} == now, table


RENAMED = {"fit_form": {"k_form": "form"}}


def _as_it_is_now(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """What a row of the first revision has become: names that changed, and a 0 that stood for all sizes."""
    now = {RENAMED.get(table, {}).get(name, name): value for name, value in row.items()}
    return now | {"num_params": None} if table == "fit_parameter" and not row["num_params"] else now


def test_an_upgraded_database_is_in_order(old_url: URL) -> None:
    engine = connect(old_url)
    upgrade(engine)
    assert [finding for finding in examine(engine) if finding.verdict is not Verdict.OK] == []


def test_an_upgrade_derives_the_live_lineage_and_the_progress(old_url: URL) -> None:
    upgrade(connect(old_url))
    engine = open_database(old_url, create=False)
    with engine.connect() as connection:
        ends = connection.execute(select(Attempt.live_through_step).order_by(Attempt.number)).scalars().all()
        first, second = connection.execute(select(Trial.__table__).order_by(Trial.id)).all()
    assert ends == [3, None]
    assert (first.origin, first.attempts, first.reached_step) == ("native", 2, 7)
    assert (first.reached_samples, first.reached_tokens, first.reached_flops) == (448, 46592, 7e19)
    assert (first.headline_benchmark, first.first_score, first.last_score) == ("heldout", 0.3, 0.37)
    assert (second.attempts, second.reached_step, second.reached_samples, second.last_score) == (0, 0, None, None)
    curve = Reader(engine).curve([1])
    assert [(row["step"], row["attempt"]) for row in curve] == [
        (0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2),
    ]  # fmt: skip


def test_references_are_checked_again_after_an_upgrade(old_url: URL) -> None:
    engine = connect(old_url)
    upgrade(engine)
    with pytest.raises(Exception, match=r"(?i)foreign key"), begin_write(engine) as connection:
        connection.execute(text("INSERT INTO sweep_trial (sweep_id, trial_id, position, axes) VALUES (1, 99, 5, '{}')"))


def test_a_second_upgrade_has_nothing_to_do(old_url: URL) -> None:
    engine = connect(old_url)
    upgrade(engine)
    assert upgrade(engine) == Upgrade(HEAD_REVISION, HEAD_REVISION, None)


def test_of_two_upgrades_at_once_one_does_it_and_the_other_sees_it_done(old_url: URL, tmp_path: Path) -> None:
    code = "done = upgrade(engine, backup=False)\nprint(done.before, done.after)"
    both = [in_another_process(code, old_url) for _ in range(2)]
    outcomes = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outcomes
    assert sorted(out.split() for out, _ in outcomes) == [[FIRST, HEAD_REVISION], [HEAD_REVISION, HEAD_REVISION]]


_IMPATIENT = """
import db.connection.sqlite
db.connection.sqlite.BUSY_TIMEOUT_SECONDS = .05
print("ready", flush=True)
upgrade(engine, backup=False)
"""


def test_an_upgrade_waits_for_one_that_is_under_way(old_url: URL) -> None:
    """Also longer than a writer is waited for."""
    with begin_write(connect(old_url)) as connection:
        hold(connection, "migrate")
        waiting = in_another_process(_IMPATIENT, old_url)
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=1)
    assert waiting.wait(timeout=60) == 0
    assert revision_of(old_url) == HEAD_REVISION


# The last thing that an upgrade does is to write the new revision; everything else has happened by then.
_KILLED = """
from sqlalchemy import event
@event.listens_for(engine, "before_cursor_execute")
def _die(connection, cursor, statement, parameters, context, many):
    if statement.startswith({statement!r}):
        os.kill(os.getpid(), 9)
upgrade(engine, backup=False)
"""


@pytest.mark.parametrize("statement", ["DROP VIEW trial_status", "CREATE VIEW fit_summary", "UPDATE rlsweep_alembic"])
def test_an_upgrade_that_is_killed_leaves_the_old_revision_intact(old_url: URL, statement: str) -> None:
    before = rows_of(connect(old_url))
    killed = in_another_process(_KILLED.format(statement=statement), old_url)
    assert killed.wait(timeout=60) == -signal.SIGKILL, killed.stderr and killed.stderr.read()
    engine = connect(old_url)
    assert revision_of(old_url) == FIRST
    assert rows_of(engine) == before
    assert "trial_status" in inspect(engine).get_view_names()
    assert upgrade(engine).after == HEAD_REVISION


def test_an_upgrade_does_not_wait_for_ever_for_a_long_transaction(
    postgresql_server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.upkeep.migrate.LOCK_TIMEOUT_SECONDS", 0.2)
    url = postgresql_server.new_database(empty=True)
    make_old_database(url)
    with begin_write(connect(url)) as connection:
        connection.execute(text("UPDATE trial SET state = 'paused'"))
        with pytest.raises(DatabaseError, match="somebody's long transaction holds its tables"):
            upgrade(connect(url), backup=False)
    assert upgrade(connect(url), backup=False).after == HEAD_REVISION
    postgresql_server.drop_database(url)


def test_a_revision_that_fails_leaves_the_old_revision_intact(old_url: URL) -> None:
    engine = connect(old_url)
    with begin_write(engine) as connection:
        connection.execute(text("UPDATE evaluation SET score = 1.5 WHERE id = 1"))
    with pytest.raises(DatabaseError, match=r"(?s)from 0001 to .* failed; nothing was changed.*score_is_a_share"):
        upgrade(engine)
    assert revision_of(old_url) == FIRST
    assert "trial_status" in inspect(connect(old_url)).get_view_names()


def test_a_broken_reference_stops_an_upgrade(tmp_path: Path) -> None:
    url = resolve_url(str(tmp_path / "old.db"))
    make_old_database(url)
    loose = create_engine(url)
    with loose.begin() as connection:  # SQLite only checks where it is asked to
        connection.execute(text("DELETE FROM model"))
    with pytest.raises(DatabaseError, match="nothing was changed: 2 rows, first of table trial"):
        upgrade(connect(url))
    assert revision_of(url) == FIRST


def test_an_upgrade_is_refused_while_an_attempt_lives(empty_database_url: URL) -> None:
    make_old_database(empty_database_url, living=True)
    engine = connect(empty_database_url)
    with pytest.raises(DatabaseError, match=r"trial 1, attempt 2 \(process 4711 on node-1\)"):
        upgrade(engine)
    assert revision_of(empty_database_url) == FIRST
    assert upgrade(engine, force=True).after == HEAD_REVISION


@pytest.fixture
def restore(request: pytest.FixtureRequest) -> Iterator[Callable[[Path, URL], URL]]:
    """Put a backup back, as its user would, beside the database it was made of; returns where it is."""
    made: list[URL] = []

    def restored(kept: Path, original: URL) -> URL:
        if original.get_backend_name() == "sqlite":
            return resolve_url(str(kept))
        made.append(request.getfixturevalue("postgresql_server").new_database(empty=True))
        target = f"host={made[-1].query['host']} user={made[-1].username} dbname={made[-1].database}"
        subprocess.run(["pg_restore", "--exit-on-error", f"--dbname={target}", kept], check=True)
        return made[-1]

    yield restored
    for url in made:
        request.getfixturevalue("postgresql_server").drop_database(url)


def test_the_backup_of_an_upgrade_is_the_database_before_it(
    old_url: URL, tmp_path: Path, restore: Callable[[Path, URL], URL]
) -> None:
    before = rows_of(connect(old_url))
    kept = upgrade(connect(old_url)).backup
    assert kept is not None
    assert f".{FIRST}." in kept.name
    assert list(tmp_path.glob("*.partial*")) == []
    restored = restore(kept, old_url)
    assert revision_of(restored) == FIRST
    assert rows_of(connect(restored)) == before


def test_a_backup_made_while_another_writes_is_whole(
    database: Engine, tmp_path: Path, restore: Callable[[Path, URL], URL]
) -> None:
    with begin_write(database) as connection:
        connection.execute(insert(Model).values(name="half"))
        kept = back_up(database, tmp_path / "copy")
    restored = open_database(restore(kept, database.url), create=False)
    assert rows_of(restored)["model"] == []
    assert len(rows_of(database)["model"]) == 1
    assert [f.check for f in examine(restored) if f.verdict is not Verdict.OK] == []


def test_an_empty_database_gets_its_tables_by_an_upgrade(postgresql_server: PostgresqlServer) -> None:
    url = postgresql_server.new_database(empty=True)
    assert upgrade(connect(url)) == Upgrade(None, HEAD_REVISION, None)
    open_database(url, create=False).dispose()
    postgresql_server.drop_database(url)


def test_an_old_database_is_refused_with_what_to_do(old_url: URL) -> None:
    with pytest.raises(SchemaVersionError, match=r"older than this rlsweep's .*rlsweep db upgrade") as caught:
        open_database(old_url)
    assert caught.value.exit_code == 5
    assert revision_of(old_url) == FIRST


def test_several_that_open_an_empty_database_at_once_all_succeed(empty_database_url: URL) -> None:
    code = "open_database(engine.url)"
    if empty_database_url.get_backend_name() == "sqlite":
        Path(str(empty_database_url.database)).touch()
    openers = [in_another_process(code, empty_database_url) for _ in range(3)]
    outcomes = [process.communicate(timeout=60) for process in openers]
    assert [process.returncode for process in openers] == [0, 0, 0], outcomes
    open_database(empty_database_url, create=False).dispose()
