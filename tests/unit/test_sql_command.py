"""`rlsweep sql`: where a query comes from, how its rows are printed, what the listing says."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from db.errors import DatabaseError, SpecError
from db.tables import Base
from db.views import views
from orchestrator.cli import app
from tests.filled import STEPS, fill

NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {last}) SELECT x FROM n"
ROW = (
    "SELECT trial_id, model, tau, message, started_at, num_params / 3.0 AS third, 0.1 + 0.2 AS sum, 'é,\"' AS odd "
    "FROM attempt_failure"
)


def run(*arguments: str, stdin: str | None = None) -> str:
    """What `rlsweep sql` prints; its errors are raised."""
    done = CliRunner().invoke(app, ["sql", *arguments], input=stdin, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli", "sql", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def on_terminal(*arguments: str, columns: int = 100) -> str:
    """What `rlsweep sql` prints on a terminal of that width."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "orchestrator.cli", "sql", *arguments]
    done = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    printed = b""
    try:
        while piece := os.read(ours, 65536):
            printed += piece
    except OSError:  # how a terminal says that its other side was closed
        pass
    os.close(ours)
    assert done.wait() == 0, printed.decode()
    return printed.decode()


def lines(printed: str) -> list[str]:
    """What a person sees: without colours and trailing blanks."""
    return [line.rstrip() for line in re.sub("\x1b\\[[0-9;]*m", "", printed).splitlines()]


@pytest.fixture
def url(database: Engine) -> str:
    fill(database)
    return database.url.render_as_string(hide_password=False)


@pytest.fixture
def sqlite_file(sqlite_database: Engine) -> str:
    fill(sqlite_database)
    return str(sqlite_database.url.database)


def test_rows_are_csv_where_there_is_no_terminal(url: str) -> None:
    header, row = csv.reader(io.StringIO(run(ROW, "--db", url)))
    assert header == ["trial_id", "model", "tau", "message", "started_at", "third", "sum", "odd"]
    assert row[:4] == ["2", "large", "2.0", 'Out of "memory", at\nstep 4']
    assert row[4].endswith("+00:00")
    assert float(row[5]) == pytest.approx(1_000_000 / 3, rel=1e-15)
    assert row[7] == 'é,"'


def test_rows_are_json_on_request(url: str) -> None:
    for option in (["--json"], ["--format", "json"]):
        (row,) = json.loads(run(ROW, "--db", url, *option))
        assert (row["trial_id"], row["tau"], row["odd"]) == (2, 2.0, 'é,"')
    missing, nested = json.loads(run("SELECT tau, axes FROM trial JOIN sweep_trial ON id = trial_id "
                                     "WHERE sweep_id = 1 ORDER BY position", "--db", url, "--json"))  # fmt: skip
    assert missing == {"tau": None, "axes": {"seed": 1}}
    assert nested == {"tau": 2.0, "axes": {"seed": 2}}


def test_no_rows_are_an_empty_array_and_a_lonely_header(url: str) -> None:
    query = "SELECT step, reward FROM step WHERE 1 = 0"
    assert json.loads(run(query, "--db", url, "--json")) == []
    assert run(query, "--db", url) == "step,reward\n"


def test_a_missing_value_is_nothing_in_csv_and_no_number_is_rounded(sqlite_file: str) -> None:
    query = "SELECT NULL AS a, 0.1 + 0.2 AS b, 9007199254740993 AS c, 1e19 AS d, 1.0 AS e"
    assert run(query, "--db", sqlite_file) == "a,b,c,d,e\n,0.30000000000000004,9007199254740993,1e+19,1.0\n"
    assert run(query, "--db", sqlite_file, "--json").splitlines()[1] == (
        '{"a": null, "b": 0.30000000000000004, "c": 9007199254740993, "d": 1e+19, "e": 1.0}'
    )


def test_infinity_is_the_same_word_in_csv_and_json(url: str) -> None:
    infinity = "9e999" if url.startswith("sqlite") else "'Infinity'::float8"
    query = f"SELECT {infinity} AS x, -{infinity} AS y"
    assert json.loads(run(query, "--db", url, "--json")) == [{"x": "Infinity", "y": "-Infinity"}]
    assert run(query, "--db", url) == "x,y\nInfinity,-Infinity\n"


def test_what_json_cannot_say_is_said_as_elsewhere_inside_a_json_value_too(sqlite_file: str) -> None:
    value = '{"a": NaN, "b": [-Infinity, 1e999, 0.1], "c": 9007199254740993}'
    (row,) = json.loads(run(f"SELECT '{value}' AS axes", "--db", sqlite_file, "--json"), parse_constant=pytest.fail)
    assert row == {"axes": {"a": None, "b": ["-Infinity", "Infinity", 0.1], "c": 9007199254740993}}


def test_not_a_number_is_missing(postgresql_database: Engine) -> None:
    url = postgresql_database.url.render_as_string(hide_password=False)
    query = "SELECT 'NaN'::float8 AS x, 'NaN'::numeric AS y"
    assert run(query, "--db", url) == "x,y\n,\n"
    assert json.loads(run(query, "--db", url, "--json")) == [{"x": None, "y": None}]


def test_the_query_may_come_from_a_file_or_from_standard_input(sqlite_file: str, tmp_path: Path) -> None:
    (tmp_path / "query.sql").write_text("-- how many\nSELECT count(*) AS n\nFROM trial;\n")
    assert run("--file", str(tmp_path / "query.sql"), "--db", sqlite_file) == "n\n3\n"
    assert run("-f", str(tmp_path / "query.sql"), "--db", sqlite_file) == "n\n3\n"
    assert run("-", "--db", sqlite_file, stdin="SELECT count(*) AS n FROM trial") == "n\n3\n"
    with pytest.raises(SpecError, match="Cannot read the query from"):
        run("--file", str(tmp_path / "none.sql"), "--db", sqlite_file)
    with pytest.raises(SpecError, match="not both"):
        run("SELECT 1", "--file", "x.sql", "--db", sqlite_file)


def test_a_query_has_its_values_from_the_command_line(url: str) -> None:
    query = "SELECT CAST(:seed AS INTEGER) + 1 AS a, CAST(:word AS TEXT) AS b, CAST(:none AS TEXT) AS c"
    given = ["--param", "seed=1", "--param", "word=7B", "--param", "none=null"]
    assert run(query, *given, "--db", url) == "a,b,c\n2,7B,\n"
    with pytest.raises(SpecError, match=r"no value for :seed.*--param seed=1 on the command line"):
        run("SELECT :seed", "--db", url)


def test_a_query_that_begins_with_a_comment_goes_after_two_dashes(sqlite_file: str) -> None:
    assert run("--db", sqlite_file, "--", "-- how many\nSELECT 1 AS n") == "n\n1\n"
    assert "goes after -- or into -f" in " ".join(run("--help").split())


@pytest.mark.parametrize("output", ["csv", "json", "table"])
def test_columns_of_one_name_are_refused_before_anything_is_printed(url: str, output: str) -> None:
    done = CliRunner().invoke(app, ["sql", "SELECT 1 AS a, 2 AS a", "--format", output, "--db", url])
    assert "Two columns of the query are called 'a'" in str(done.exception)
    assert done.stdout == ""


def test_a_superuser_is_warned(postgresql_database: Engine, sqlite_file: str) -> None:
    url = postgresql_database.url.render_as_string(hide_password=False)
    done = process("SELECT 1 AS a", "--db", url)
    assert (done.returncode, done.stdout) == (0, "a\n1\n")
    assert re.match(r"rlsweep: postgres is a superuser of PostgreSQL: .* as a role that may only SELECT", done.stderr)
    assert process("SELECT 1 AS a", "--db", sqlite_file).stderr == ""


def test_options_that_contradict_each_other_are_refused(sqlite_file: str) -> None:
    with pytest.raises(SpecError, match="contradict"):
        run("SELECT 1", "--json", "--format", "csv", "--db", sqlite_file)
    with pytest.raises(SpecError, match="Write LIMIT into the query"):
        run("SELECT 1", "--limit", "3", "--db", sqlite_file)


def test_a_table_is_cut_and_says_by_how_much(sqlite_file: str) -> None:
    printed = run(NUMBERS.format(last=250), "--format", "table", "--db", sqlite_file).splitlines()
    assert len(printed) == 1 + 100 + 1
    assert printed[-1].startswith("100 of 250 rows; --limit shows more")
    printed = run(NUMBERS.format(last=250), "--format", "table", "--limit", "250", "--db", sqlite_file).splitlines()
    assert printed[-1] == "250 rows"
    printed = run(NUMBERS.format(last=300_000), "--format", "table", "--limit", "1", "--db", sqlite_file).splitlines()
    assert printed[-1].startswith("1 of more than 100,001 rows")


def test_csv_is_never_cut(sqlite_file: str) -> None:
    assert len(run(NUMBERS.format(last=25_000), "--db", sqlite_file).splitlines()) == 25_001


def test_a_terminal_gets_a_table(sqlite_file: str) -> None:
    printed = on_terminal("SELECT step, tau, flops FROM learning_curve WHERE trial_id = 1", "--db", sqlite_file)
    assert [line.split()[0] for line in lines(printed)] == ["step", *map(str, range(STEPS + 1)), f"{STEPS + 1}"]
    assert "1e+19" in printed
    assert re.search("\x1b\\[2m *–\x1b\\[0m", printed), "a missing value is a dim dash"


def test_rows_too_wide_for_the_terminal_are_lists(sqlite_file: str) -> None:
    printed = on_terminal("SELECT * FROM attempt_failure", "--db", sqlite_file, columns=80)
    assert lines(printed)[0].startswith("row 1 ──")
    assert ["message", 'Out of "memory", at step 4'] in [re.split("  +", line) for line in lines(printed)]


def test_what_is_in_the_database_does_not_steer_the_terminal(sqlite_file: str) -> None:
    query = "SELECT char(27) || '[31mred' || char(10) || '[bold]x[/]' AS word"
    printed = run(query, "--format", "table", "--db", sqlite_file)
    assert "\x1b" not in printed
    assert "[31mred [bold]x[/]" in printed


def test_without_a_query_the_views_and_tables_are_listed() -> None:
    listed = {each["name"]: each for each in json.loads(run("--json"))}
    assert listed.keys() == views.tables.keys() | Base.metadata.tables.keys()
    assert all(each["comment"] for each in listed.values())
    assert "Every live evaluation of every trial" in run()


def test_a_view_is_described() -> None:
    columns = {each["name"]: each for each in json.loads(run("--describe", "learning_curve", "--json"))}
    assert list(columns) == [column.name for column in views.tables["learning_curve"].columns]
    assert (columns["flops"]["kind"], columns["flops"]["unit"]) == ("real", "FLOPs")
    assert all(each["comment"] for each in columns.values())
    assert "Pass@1" in run("--describe", "learning_curve")
    with pytest.raises(SpecError, match="Did you mean learning_curve"):
        run("--describe", "learning_curv")


def test_the_time_limit_is_kept_and_can_be_lifted(sqlite_file: str) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(DatabaseError, match=r"after 0\.2 s.*--timeout"):
        run(endless, "--timeout", "0.2", "--db", sqlite_file)
    assert run(NUMBERS.format(last=2), "--timeout", "0", "--db", sqlite_file) == "x\n1\n2\n"


def test_a_refused_query_is_one_message_and_exit_code_2(sqlite_file: str) -> None:
    done = process("DROP TABLE trial", "--db", sqlite_file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rlsweep: The database refuses the query: not authorized.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("output", ["csv", "json", "table"])
def test_a_reader_that_goes_away_is_no_error_message(sqlite_file: str, output: str) -> None:
    rows = NUMBERS.format(last=200_000)
    limit = ["--limit", "10000"] if output == "table" else []
    writing = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", "sql", rows, "--format", output, *limit, "--db", sqlite_file],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writing.stdout is not None
    assert writing.stderr is not None
    assert writing.stdout.readline()
    writing.stdout.close()
    assert writing.stderr.read() == ""
    writing.wait()
