"""Bad input to the real command line: one clear message, a non-zero exit, nothing half-written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.e2e.command_line import CommandLine, tiny_folder


@pytest.fixture
def rlsweep(tmp_path: Path, made_models: Path) -> CommandLine:
    return tiny_folder(tmp_path, made_models)


def refused(rlsweep: CommandLine, *arguments: str, exit_code: int) -> str:
    """What a refused command says; it must be a message and no traceback, and leave nothing behind."""
    before = sorted(rlsweep.folder.rglob("*"))
    done = rlsweep.run(*arguments)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert done.stderr.startswith("rlsweep: ")
    assert "Traceback" not in done.stderr
    assert sorted(rlsweep.folder.rglob("*")) == before
    return done.stderr


def test_a_missing_sweep_file(rlsweep: CommandLine) -> None:
    assert "none.yaml: there is no such file" in refused(rlsweep, "submit", "none.yaml", exit_code=2)


def test_a_malformed_sweep_file(rlsweep: CommandLine) -> None:
    (rlsweep.folder / "bad.yaml").write_text("name: [bad\n")
    assert "bad.yaml:1:7: is not valid YAML" in refused(rlsweep, "submit", "bad.yaml", exit_code=2)


def test_an_unknown_key(rlsweep: CommandLine) -> None:
    message = refused(rlsweep, "submit", "tiny.yaml", "--set", "budgets.units=steps", exit_code=2)
    assert "budgets.units: is not known here; did you mean `unit`?" in message


def test_a_foreign_database(rlsweep: CommandLine) -> None:
    with sqlite3.connect(rlsweep.folder / "theirs.db") as theirs:
        theirs.execute("CREATE TABLE users (name TEXT)")
    message = refused(rlsweep, "submit", "tiny.yaml", "--db", "theirs.db", exit_code=1)
    assert "holds another program's tables (users" in message


def test_a_database_where_nothing_can_be_written(rlsweep: CommandLine) -> None:
    message = refused(rlsweep, "submit", "tiny.yaml", "--db", "/proc/rlsweep.db", exit_code=1)
    assert "/proc" in message
    assert "--db" in message


def test_a_folder_of_artifacts_that_cannot_be_made(rlsweep: CommandLine) -> None:
    done = rlsweep.run("submit", "tiny.yaml", "--artifacts", "tiny.yaml/artifacts")
    assert done.returncode == 1
    assert "choose another folder with --artifacts" in done.stderr


def test_more_memory_than_there_is(rlsweep: CommandLine) -> None:
    message = refused(rlsweep, "submit", "tiny.yaml", "--set", "resources.memory_gb=100000", exit_code=1)
    assert "one trial 100000 GB (resources.memory_gb)" in message


def test_more_cpus_than_there_are(rlsweep: CommandLine) -> None:
    message = refused(rlsweep, "submit", "tiny.yaml", "--set", "resources.cpus=5000", exit_code=1)
    assert "asks for 5000 CPUs" in message


def test_a_database_that_is_not_there(rlsweep: CommandLine) -> None:
    for command in (["status"], ["show", "1"], ["fit"], ["plot"]):
        assert "There is no database at" in refused(rlsweep, *command, exit_code=1)
