"""`rlsweep db`: what it prints, what it leaves behind, and what it exits with, on both databases."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import URL, Engine, text

from db.connection.engines import begin_write, connect
from db.store import PlanStore, claim
from db.upkeep.revisions import HEAD_REVISION, VERSION_TABLE
from orchestrator.cli import main
from tests.old_database import FIRST, make_old_database
from tests.permissions import as_nobody
from tests.postgresql import PostgresqlServer
from tests.records import HERE, SWEEP, evaluation, planned, step

ROOT = Path(__file__).parents[2]

# Has the right columns, and shows deleted checkpoints too.
ALTERED_CHECKPOINT = """
CREATE VIEW live_checkpoint AS
SELECT trial_id, attempt, step, uri, num_bytes, manifest_sha256, is_milestone FROM checkpoint
"""


class Outcome(NamedTuple):
    """What a command came to."""

    exit_code: int
    output: str
    errors: str


Rlsweep = Callable[..., Outcome]


@pytest.fixture
def rlsweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rlsweep:
    """Run a command on a database, in a folder where backups may be left."""
    monkeypatch.chdir(tmp_path)

    def run(url: URL, *arguments: str) -> Outcome:
        monkeypatch.setenv("RLSWEEP_DB", url.render_as_string(hide_password=False))
        monkeypatch.setattr("sys.argv", ["rlsweep", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def old_url(empty_database_url: URL) -> URL:
    """A database at the first revision, with rows."""
    make_old_database(empty_database_url)
    return empty_database_url


def set_revision(url: URL, revision: str) -> None:
    with begin_write(connect(url)) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"))


def run_a_trial(engine: Engine) -> None:
    """A trial of two steps whose attempt is alive."""
    registration = PlanStore(engine).register(SWEEP, [planned(1)])
    attempt = claim(engine, trial_id=registration.trial_ids[0], sweep_id=registration.sweep_id, process=HERE)
    attempt.record(evaluation(0, 0.3), step(1), evaluation(1, 0.4), step(2), evaluation(2, 0.5))


def test_current_shows_both_revisions(rlsweep: Rlsweep, database_url: URL) -> None:
    shown = rlsweep(database_url, "db", "current")
    assert shown.exit_code == 0
    assert f"revision {HEAD_REVISION}; this rlsweep: {HEAD_REVISION}." in shown.output


@pytest.mark.parametrize(("revision", "advice"), [(FIRST, "rlsweep db upgrade"), ("9999", ""), ("abc", "")])
def test_current_says_when_the_revisions_differ(
    rlsweep: Rlsweep, database_url: URL, revision: str, advice: str
) -> None:
    set_revision(database_url, revision)
    shown = rlsweep(database_url, "db", "current")
    assert shown.exit_code == 5
    assert f"revision {revision};" in shown.output
    assert advice in shown.output
    answer = json.loads(rlsweep(database_url, "db", "current", "--json").output)
    assert (answer["revision"], answer["code_revision"]) == (revision, HEAD_REVISION)


def test_an_old_database_is_upgraded_after_a_backup(rlsweep: Rlsweep, old_url: URL) -> None:
    refused = rlsweep(old_url, "status")
    assert refused.exit_code == 5
    assert "rlsweep db upgrade" in refused.errors
    done = rlsweep(old_url, "db", "upgrade", "--json")
    answer = json.loads(done.output)
    assert (done.exit_code, answer["before"], answer["after"]) == (0, FIRST, HEAD_REVISION)
    assert Path(answer["backup"]).stat().st_size > 0
    assert rlsweep(old_url, "status").exit_code == 0
    assert "nothing to do" in rlsweep(old_url, "db", "upgrade").output


def test_an_upgrade_without_a_backup_leaves_none(rlsweep: Rlsweep, old_url: URL, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    assert rlsweep(old_url, "db", "upgrade", "--no-backup").output.endswith(f"{FIRST} -> {HEAD_REVISION}.\n")
    assert {path for path in set(tmp_path.iterdir()) - before if path.suffix in (".backup", ".dump")} == set()


def test_an_upgrade_of_a_newer_database_is_refused(rlsweep: Rlsweep, database_url: URL) -> None:
    set_revision(database_url, "9999")
    refused = rlsweep(database_url, "db", "upgrade")
    assert refused.exit_code == 5
    assert "Upgrade rlsweep" in refused.errors


def test_an_upgrade_names_the_attempts_that_it_would_break(rlsweep: Rlsweep, empty_database_url: URL) -> None:
    make_old_database(empty_database_url, living=True)
    refused = rlsweep(empty_database_url, "db", "upgrade")
    assert refused.exit_code == 1
    assert "trial 1, attempt 2 (process 4711 on node-1)" in refused.errors
    assert rlsweep(empty_database_url, "db", "upgrade", "--force", "--no-backup").exit_code == 0


def test_a_backup_is_made_while_a_trial_runs_and_never_overwrites(
    rlsweep: Rlsweep, database: Engine, tmp_path: Path
) -> None:
    run_a_trial(database)
    target = tmp_path / "kept"
    made = rlsweep(database.url, "db", "backup", "-o", str(target), "--json")
    assert made.exit_code == 0
    assert json.loads(made.output) == {"backup": str(target), "bytes": target.stat().st_size}
    content = target.read_bytes()
    again = rlsweep(database.url, "db", "backup", "--output", str(target))
    assert again.exit_code == 1
    assert "exists and is not overwritten" in again.errors
    assert target.read_bytes() == content
    assert list(tmp_path.glob("kept.*")) == []


def test_a_backup_is_named_after_its_revision_and_time(rlsweep: Rlsweep, database_url: URL) -> None:
    answer = json.loads(rlsweep(database_url, "db", "backup", "--json").output)
    assert re.search(rf"\.{HEAD_REVISION}\.\d{{8}}T\d{{6}}Z\.(backup|dump)$", answer["backup"])


def test_a_backup_that_cannot_be_written_says_so(rlsweep: Rlsweep, database_url: URL, tmp_path: Path) -> None:
    refused = rlsweep(database_url, "db", "backup", "-o", str(tmp_path / "none" / "kept"))
    assert refused.exit_code == 1
    assert "No such file or directory. Name another place" in refused.errors


@pytest.mark.parametrize(("version", "said"), [(None, "not here"), ("12.3", "of release 12, older than the server")])
def test_without_a_pg_dump_that_fits_it_is_said_how_to_make_the_backup(
    *,
    rlsweep: Rlsweep,
    postgresql_url: URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    said: str,
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    if version is not None:
        (programs / "pg_dump").write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version} (Debian {version}-1)'\n")
        (programs / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    refused = rlsweep(postgresql_url.set(password="s3cret"), "db", "backup")
    assert refused.exit_code == 1
    assert said in refused.errors
    assert re.search(r"pg_dump --format=custom --no-password --file=\S+\.dump ", refused.errors)
    assert "--no-backup" in refused.errors
    assert "s3cret" not in refused.errors


def with_password(url: URL) -> URL:
    return url.set(password="s3cret")


def with_everything_in_the_query(url: URL) -> URL:
    query = {"user": url.username or "", "password": "s3cret"}
    return url.set(username=None).update_query_dict(query)


@pytest.mark.parametrize("given", [with_password, with_everything_in_the_query])
def test_the_password_is_not_on_pg_dumps_command_line(
    *,
    rlsweep: Rlsweep,
    postgresql_url: URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: Callable[[URL], URL],
) -> None:
    """A program in pg_dump's place writes down what it was given, then runs the real one."""
    programs, notes = tmp_path / "bin", tmp_path / "notes"
    programs.mkdir()
    wrapper = programs / "pg_dump"
    wrapper.write_text(f'#!/bin/sh\necho "$@ / $PGPASSWORD" >> {notes}\nexec {shutil.which("pg_dump")} "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    made = rlsweep(given(postgresql_url), "db", "backup")
    assert made.exit_code == 0, made.errors
    arguments, _, password = notes.read_text().splitlines()[-1].rpartition(" / ")
    assert password == "s3cret"
    assert "--format=custom" in arguments
    assert "s3cret" not in arguments
    assert "s3cret" not in made.output


def test_a_database_in_order_passes_the_check(rlsweep: Rlsweep, database: Engine) -> None:
    run_a_trial(database)
    checked = rlsweep(database.url, "db", "check", "--json")
    findings = {finding["check"]: finding["verdict"] for finding in json.loads(checked.output)}
    assert checked.exit_code == 0, checked.output
    assert set(findings.values()) == {"ok"}
    assert {"revision", "integrity", "tables", "leases", "derived values"} <= set(findings)


@pytest.mark.parametrize(
    ("damage", "check", "said"),
    [
        ("UPDATE trial SET reached_step = 1", "derived values", "trial 1: reached_step is 1, should be 2"),
        ("UPDATE trial SET last_score = NULL", "derived values", "last_score is NULL, should be 0.5"),
        ("UPDATE attempt SET live_through_step = 1", "derived values", "attempt 1: live_through_step is 1"),
        ("UPDATE attempt SET state = 'succeeded'", "leases", "trial 1: running, but none of its attempts is"),
        ("UPDATE trial SET attempts = 2", "leases", "trial 1: an attempt that was replaced is still running"),
        ("DROP VIEW fit_summary", "tables", "view fit_summary is missing"),
        ("DROP INDEX ix_trial_state", "tables", "add index: ix_trial_state"),
        ("ALTER TABLE fit_form ADD COLUMN extra INTEGER", "tables", "remove column: fit_form.extra"),
        ("DROP TABLE evaluation_item", "tables", "table evaluation_item is missing."),
        ("DROP VIEW trial_status", "tables", "view trial_status is missing (`rlsweep db upgrade` makes it again)"),
        ("DROP VIEW live_step", "tables", "view live_step is missing"),
        ("DROP TABLE evaluation", "tables", "table evaluation is missing"),
    ],
)
def test_what_is_wrong_is_found_and_named(
    rlsweep: Rlsweep, database: Engine, damage: str, check: str, said: str
) -> None:
    run_a_trial(database)
    with begin_write(database) as connection:
        cascade = " CASCADE" if damage.startswith("DROP") and database.dialect.name == "postgresql" else ""
        connection.execute(text(damage + cascade))
    checked = rlsweep(database.url, "db", "check", "--json")
    assert checked.exit_code == 1
    messages = {finding["check"]: finding["message"] for finding in json.loads(checked.output)
                if finding["verdict"] == "wrong"}  # fmt: skip
    assert said in messages[check]


def test_views_that_are_missing_or_altered_are_made_again(rlsweep: Rlsweep, database: Engine) -> None:
    run_a_trial(database)
    with begin_write(database) as connection:
        connection.execute(text("DROP VIEW sweep_coverage"))
        connection.execute(text("DROP VIEW fit_summary"))
        connection.execute(text("CREATE VIEW fit_summary AS SELECT id AS fit_id FROM fit"))
        connection.execute(text("DROP VIEW live_checkpoint"))
        connection.execute(text(ALTERED_CHECKPOINT))
    checked = rlsweep(database.url, "db", "check")
    assert checked.exit_code == 1
    for said in ("sweep_coverage is missing", "fit_summary is altered", "live_checkpoint is altered"):
        assert f"view {said} (`rlsweep db upgrade` makes it again)" in checked.output
    done = json.loads(rlsweep(database.url, "db", "upgrade", "--json").output)
    assert sorted(done["views"]) == ["fit_summary", "live_checkpoint", "sweep_coverage"]
    assert done["backup"] is None
    assert rlsweep(database.url, "db", "check").exit_code == 0
    assert "nothing to do" in rlsweep(database.url, "db", "upgrade").output


def test_a_view_is_made_again_with_those_that_read_from_it(rlsweep: Rlsweep, database: Engine) -> None:
    with begin_write(database) as connection:
        cascade = "CASCADE" if database.dialect.name == "postgresql" else ""
        connection.execute(text(f"DROP VIEW live_step {cascade}"))
    assert "live_step" in rlsweep(database.url, "db", "upgrade").output
    assert rlsweep(database.url, "db", "check").exit_code == 0


def test_a_lost_table_is_not_made_again(rlsweep: Rlsweep, database: Engine) -> None:
    with begin_write(database) as connection:
        connection.execute(text("DROP TABLE evaluation_item"))
    refused = rlsweep(database.url, "db", "upgrade")
    assert refused.exit_code == 1
    assert "has lost evaluation_item. What a table held cannot be made again; restore a backup" in refused.errors


@pytest.mark.parametrize("command", ["current", "upgrade", "check", "backup"])
@pytest.mark.parametrize("damage", [f"DELETE FROM {VERSION_TABLE}", f"DROP TABLE {VERSION_TABLE}"])
def test_a_lost_revision_is_damage_and_not_an_empty_database(
    rlsweep: Rlsweep, database: Engine, damage: str, command: str
) -> None:
    run_a_trial(database)
    with begin_write(database) as connection:
        connection.execute(text(damage))
    refused = rlsweep(database.url, "db", command)
    assert refused.exit_code == 1
    assert f"is damaged: it holds rlsweep's tables, but not the one row of {VERSION_TABLE}" in refused.errors
    assert "Restore a backup." in refused.errors


def test_a_backup_of_a_damaged_file_fails_and_leaves_none(rlsweep: Rlsweep, sqlite_database: Engine) -> None:
    run_a_trial(sqlite_database)
    damage_a_page(sqlite_database)
    folder = Path(str(sqlite_database.url.database)).parent
    refused = rlsweep(sqlite_database.url, "db", "backup")
    assert refused.exit_code == 1
    assert re.search(r"rlsweep\.db cannot be backed up \(.*\); no copy was kept", refused.errors, re.DOTALL)
    assert [path.name for path in folder.iterdir() if "backup" in path.name] == []


def test_a_backup_that_is_told_to_end_leaves_nothing(
    postgresql_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in pg_dump's place never comes to an end."""
    programs, folder = tmp_path / "bin", tmp_path / "here"
    programs.mkdir()
    folder.mkdir()
    wrapper = programs / "pg_dump"
    wrapper.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) 99.0" || exec sleep 600\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("RLSWEEP_DB", postgresql_url.render_as_string(hide_password=False))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "orchestrator.cli", "db", "backup"]
    with subprocess.Popen(command, cwd=folder) as process:
        while not list(folder.iterdir()):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        assert process.wait(timeout=30) == 143
    assert list(folder.iterdir()) == []


def test_a_backup_of_an_sqlite_file_is_put_back_as_it_says(
    rlsweep: Rlsweep, sqlite_database: Engine, tmp_path: Path
) -> None:
    run_a_trial(sqlite_database)
    sqlite_database.dispose()
    url = sqlite_database.url.set(database=str(tmp_path / "a folder" / "my.db"))
    Path(str(url.database)).parent.mkdir()
    shutil.copy(str(sqlite_database.url.database), str(url.database))
    told = rlsweep(url, "db", "backup", "-o", "kept").output
    with begin_write(sqlite_database) as connection:
        connection.execute(text("DELETE FROM evaluation"))
    for ending in ("", "-wal", "-shm"):  # as a process that was killed leaves them
        shutil.copy(f"{sqlite_database.url.database}{ending}", f"{url.database}{ending}")
    (command,) = re.findall(r"when nothing uses that any more: (.*)", told)
    subprocess.run(["sh", "-c", command], check=True)
    with connect(url).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM evaluation")) == 3


def test_a_backup_of_a_postgresql_database_is_put_back_as_it_says(
    rlsweep: Rlsweep, postgresql_database: Engine, postgresql_server: PostgresqlServer
) -> None:
    run_a_trial(postgresql_database)
    told = rlsweep(with_everything_in_the_query(postgresql_database.url), "db", "backup", "-o", "kept").output
    (command,) = re.findall(r"into a new database: (.*)", told)
    subprocess.run(["sh", "-c", command], check=True)
    restored = postgresql_database.url.set(database=f"{postgresql_database.url.database}_restored")
    try:
        assert rlsweep(restored, "db", "check").exit_code == 0
        with connect(restored).connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM evaluation")) == 3
    finally:
        postgresql_server.drop_database(restored)


@pytest.mark.parametrize("given", [["kept"], ["--output", "kept"]])
def test_the_file_of_a_backup_may_be_named_without_an_option(
    rlsweep: Rlsweep, sqlite_url: URL, tmp_path: Path, given: list[str]
) -> None:
    assert rlsweep(sqlite_url, "db", "backup", *given).exit_code == 0
    assert (tmp_path / "kept").exists()
    assert "Name the backup's file once" in rlsweep(sqlite_url, "db", "backup", "a", "-o", "b").errors


def test_a_database_on_a_read_only_share_is_checked_and_backed_up(
    rlsweep: Rlsweep, sqlite_database: Engine, tmp_path: Path
) -> None:
    run_a_trial(sqlite_database)
    sqlite_database.dispose()
    share = Path(tempfile.mkdtemp(prefix="rlsweep-share-"))
    kept = share / "rlsweep.db"
    shutil.copy(str(sqlite_database.url.database), kept)
    kept.chmod(0o444)
    share.chmod(0o555)
    tmp_path.chmod(0o777)
    try:
        with as_nobody():
            for command in (["current"], ["check"], ["backup", "-o", "/tmp/rlsweep-kept-by-nobody"]):
                done = rlsweep(URL.create("sqlite", database=str(kept)), "db", *command)
                assert done.exit_code == 0, done.errors
        assert [path.name for path in share.iterdir()] == ["rlsweep.db"]
    finally:
        Path("/tmp/rlsweep-kept-by-nobody").unlink(missing_ok=True)
        share.chmod(0o755)
        shutil.rmtree(share)


def test_looking_at_a_database_leaves_no_file_beside_it(rlsweep: Rlsweep, sqlite_url: URL, tmp_path: Path) -> None:
    for command in ("current", "check"):
        assert rlsweep(sqlite_url, "db", command).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["rlsweep.db"]


def test_a_check_of_an_old_database_asks_for_an_upgrade(rlsweep: Rlsweep, old_url: URL) -> None:
    checked = rlsweep(old_url, "db", "check")
    assert checked.exit_code == 5
    assert f"wrong  revision: The database is at {FIRST}, this rlsweep at {HEAD_REVISION}." in checked.output


def test_a_lost_row_is_found_on_sqlite(rlsweep: Rlsweep, sqlite_database: Engine) -> None:
    run_a_trial(sqlite_database)
    driver = sqlite_database.raw_connection()
    driver.execute("PRAGMA foreign_keys = OFF")
    driver.execute("DELETE FROM sweep")
    driver.close()
    checked = rlsweep(sqlite_database.url, "db", "check")
    assert checked.exit_code == 1
    assert "refers to a row of sweep that is not there" in checked.output


def damage_a_page(sqlite_database: Engine) -> None:
    with sqlite_database.connect() as connection:
        page = connection.exec_driver_sql(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_trial_state'"
        ).scalar_one()
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    sqlite_database.dispose()
    with Path(str(sqlite_database.url.database)).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 64)


def test_a_damaged_page_is_found_on_sqlite(rlsweep: Rlsweep, sqlite_database: Engine) -> None:
    run_a_trial(sqlite_database)
    damage_a_page(sqlite_database)
    checked = rlsweep(sqlite_database.url, "db", "check")
    assert checked.exit_code == 1
    assert re.search(r"^wrong  integrity: .*malformed", checked.output, re.MULTILINE)


@pytest.mark.parametrize("command", ["current", "upgrade", "backup", "check"])
def test_a_database_that_is_not_there_is_named(rlsweep: Rlsweep, sqlite_url: URL, command: str) -> None:
    refused = rlsweep(sqlite_url.set(database="/nowhere/a.db"), "db", command)
    assert refused.exit_code == 1
    assert "There is no database at /nowhere/a.db" in refused.errors


@pytest.mark.parametrize("command", ["current", "upgrade", "backup", "check"])
def test_a_server_that_is_away_is_named(
    rlsweep: Rlsweep, postgresql_server: PostgresqlServer, postgresql_url: URL, command: str
) -> None:
    postgresql_server.stop()
    refused = rlsweep(postgresql_url, "db", command)
    assert refused.exit_code == 1
    assert "nothing listens at the socket in" in refused.errors
