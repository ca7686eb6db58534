"""The questions of docs/analysts.md: their SQL runs on both databases, and its answers are right."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL
from typer.testing import CliRunner

from db.database import open_database
from db.querying.readonly import open_read_only
from exchange.typed_rows import read_rows
from orchestrator.cli import app
from tests.study_answers import ANSWERS, Rows
from tests.study_data import STUDY
from tests.study_database import fill

PAGE = (Path(__file__).parents[2] / "docs" / "analysts.md").read_text(encoding="utf-8")
QUESTIONS = PAGE.partition("## Questions\n")[2]
# What stands before the first question asks for the names of sweeps.
SQL = {
    section.partition("\n")[0]: re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    for section in re.split(r"^### ", f"names\n{QUESTIONS}", flags=re.MULTILINE)
}


COMMANDS = re.findall(r"^(rlsweep (?:sql|export).*)$", PAGE, re.MULTILINE)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def filled(url: URL) -> URL:
    engine = open_database(url, create=False)
    fill(engine)
    engine.dispose()
    return url


@pytest.fixture
def study_url(database_url: URL) -> URL:
    """A database that holds the study."""
    return filled(database_url)


@pytest.fixture
def in_the_study(sqlite_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the study as `rlsweep.db` and a query as `question.sql`."""
    filled(sqlite_url)
    (tmp_path / "question.sql").write_text("SELECT COUNT(*) AS trials FROM trial")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RLSWEEP_DB", raising=False)


def test_every_question_has_one_query_and_one_answer() -> None:
    assert {question: len(queries) for question, queries in SQL.items()} == dict.fromkeys(ANSWERS, 1)
    assert len(SQL) > 10


def test_the_answers_are_right(study_url: URL) -> None:
    engine = open_read_only(study_url)
    for question, (query,) in SQL.items():
        with read_rows(engine, query) as rows:
            found = [row for batch in rows.batches for row in batch]
        assert_same(found, ANSWERS[question](), question)
    engine.dispose()


def assert_same(found: Rows, expected: Rows, question: str) -> None:
    """Equal, numbers up to rounding. A missing number is only equal to a missing one."""
    assert len(found) == len(expected), (question, found)
    for row, right in zip(found, expected, strict=True):
        assert len(row) == len(right), (question, row)
        for value, wanted in zip(row, right, strict=True):
            exact = not isinstance(wanted, float)
            assert value == (wanted if exact else pytest.approx(wanted, rel=1e-9, abs=1e-12)), (question, row, right)


@pytest.mark.usefixtures("in_the_study")
def test_the_commands_that_read_do_what_the_page_says() -> None:
    assert len(COMMANDS) > 5
    for command in COMMANDS:
        words = shlex.split(command.partition(">")[0], comments=True)
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, (command, done.output)
        assert done.output, command
    assert {file.suffix for file in Path.cwd().iterdir()} >= {".parquet", ".csv", ".jsonl"}


@pytest.mark.usefixtures("in_the_study")
def test_the_python_example_runs() -> None:
    names: dict[str, Any] = {}
    exec(PYTHON[0], names)
    assert set(names["curve"]["seed"]) == {0, 1}
    assert len(names["best"]) == len({run.size for run in STUDY.runs})
