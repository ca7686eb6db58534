"""`rlsweep export`: whole files of the right types, or none."""

from __future__ import annotations

import csv
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

import rlsweep
from db.description.catalog import Kind, relations
from db.errors import EnvironmentProblem, RlsweepError, SpecError
from orchestrator.cli import app
from tests.filled import DRAWS, STEPS, fill, save_a_fit

ROOT = Path(__file__).parents[2]

TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.REAL: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Kind.TEXT: pa.string(),
    Kind.JSON: pa.string(),
    Kind.BYTES: pa.binary(),
}
NUMBERS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {last}) "


def export(*arguments: str) -> str:
    """What `rlsweep export` prints; its errors are raised."""
    done = CliRunner().invoke(app, ["export", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def url(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    fill(database)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return database.url.render_as_string(hide_password=False)


@pytest.fixture
def sqlite_file(sqlite_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    fill(sqlite_database)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return str(sqlite_database.url)


def test_every_view_and_table_has_its_documented_types_in_parquet(url: str) -> None:
    for relation in relations().values():
        export("parquet", relation.name, "--db", url)
        schema = pq.read_schema(f"{relation.name}.parquet")
        assert {field.name: field.type for field in schema} == {
            column.name: TYPES[column.kind] for column in relation.columns
        }
        for column in relation.columns:
            metadata = schema.field(column.name).metadata
            assert metadata[b"comment"].decode() == column.comment
            assert metadata.get(b"unit", b"").decode() == (column.unit or "")
        assert schema.metadata[b"rlsweep.source"].decode() == relation.name
        assert schema.metadata[b"rlsweep.comment"].decode() == relation.comment


def test_parquet_holds_what_the_database_holds(url: str) -> None:
    printed = export("parquet", "learning_curve", "--db", url)
    table = pq.read_table("learning_curve.parquet")
    assert printed == f"Wrote {2 * (STEPS + 1)} rows ({Path('learning_curve.parquet').stat().st_size:,} bytes) to " \
                      "learning_curve.parquet\n"  # fmt: skip
    assert table.column("step").to_pylist() == [*range(STEPS + 1)] * 2
    assert table.column("tau").to_pylist() == [None] * (STEPS + 1) + [2.0] * (STEPS + 1)
    assert table.column("flops").to_pylist()[:3] == [0.0, 1e19, 2e19]
    with rlsweep.open(url) as results:
        assert table.to_pandas().test_loss.tolist() == results.learning_curve().test_loss.tolist()


def test_csv_and_json_lines_hold_the_same(url: str) -> None:
    export("csv", "sweep_trial", "--db", url)
    export("json", "sweep_trial", "--db", url)
    with Path("sweep_trial.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in Path("sweep_trial.jsonl").read_text().splitlines()]
    assert [int(row["trial_id"]) for row in table] == [row["trial_id"] for row in lines] == [1, 2, 1, 3]
    assert [json.loads(row["axes"]) for row in table] == [row["axes"] for row in lines]
    assert lines[0]["budget_last"] == 10.0


def test_one_sweeps_rows_are_exported(url: str) -> None:
    counted = {}
    for name in ("trial", "trial_status", "step", "sweep", "flop_ledger", "fit", "fit_point", "evaluation_item"):
        counted[name] = json.loads(export("csv", name, "--sweep", "other", "--db", url, "--json"))["rows"]
    assert counted == {"trial": 2, "trial_status": 2, "step": STEPS, "sweep": 1, "flop_ledger": 1, "fit": 0,
                       "fit_point": 0, "evaluation_item": 0}  # fmt: skip
    with pytest.raises(RlsweepError, match="no sweep 'none'"):
        export("csv", "model", "--sweep", "none", "--db", url)
    with pytest.raises(SpecError, match="do not belong to a sweep"):
        export("csv", "model", "--sweep", "other", "--db", url)
    assert not Path("model.csv").exists()


def test_a_query_is_exported_with_the_types_of_its_values(url: str) -> None:
    query = "SELECT trial_id, started_at, spent, NULL AS void, 'x' AS word, trial_id * 2 AS twice, 0.5 AS half " \
            "FROM trial_status"  # fmt: skip
    export("parquet", "--query", query, "-o", "mine.parquet", "--db", url)
    schema = pq.read_schema("mine.parquet")
    assert {field.name: field.type for field in schema} == {
        "trial_id": pa.int64(), "started_at": pa.timestamp("us", tz="UTC"), "spent": pa.float64(),
        "void": pa.string() if url.startswith("postgresql") else pa.float64(),
        "word": pa.string(), "twice": pa.int64(), "half": pa.float64(),
    }  # fmt: skip
    assert schema.field("spent").metadata == {b"comment": b"How much of it is used, in its unit; NULL: imported."}
    assert schema.metadata[b"rlsweep.source"].decode() == query


def test_bytes_are_binary_in_parquet_and_hexadecimal_in_text(database: Engine, url: str) -> None:
    save_a_fit(database)
    for file_format in ("parquet", "csv", "json"):
        export(file_format, "fit_parameter", "--db", url)
    assert pq.read_table("fit_parameter.parquet").column("draws").to_pylist() == [DRAWS, None]
    with Path("fit_parameter.csv").open(newline="") as file:
        assert [row["draws"] for row in csv.DictReader(file)] == [DRAWS.hex(), ""]
    lines = Path("fit_parameter.jsonl").read_text().splitlines()
    assert [json.loads(line)["draws"] for line in lines] == [DRAWS.hex(), None]


def test_rows_go_to_standard_output_where_that_is_the_file(sqlite_file: str) -> None:
    export("csv", "trial", "--db", sqlite_file)
    command = [sys.executable, "-m", "orchestrator.cli", "export"]
    for file_format in ("csv", "parquet"):
        arguments = [file_format, "trial", "-o", "-", "--db", sqlite_file]
        done = subprocess.run([*command, *arguments], cwd=ROOT, check=True, capture_output=True)
        if file_format == "csv":
            assert done.stdout == Path("trial.csv").read_bytes()
        else:
            assert pq.read_table(pa.BufferReader(done.stdout)).num_rows == 3


@pytest.mark.parametrize("redirected", ["> kept.csv", "| cat > kept.csv"])
def test_the_device_of_standard_output_is_standard_output(sqlite_file: str, redirected: str) -> None:
    export("csv", "trial", "--db", sqlite_file)
    arguments = f"export csv trial -o /dev/stdout --db {sqlite_file}"
    subprocess.run(
        f"{sys.executable} -m orchestrator.cli {arguments} {redirected}",
        shell=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert Path("kept.csv").read_bytes() == Path("trial.csv").read_bytes()


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_named_pipe_takes_the_rows_as_they_come(sqlite_file: str, file_format: str) -> None:
    os.mkfifo("pipe")
    with Path("kept").open("wb") as kept, subprocess.Popen(["cat", "pipe"], stdout=kept):
        assert export(file_format, "trial", "-o", "pipe", "--db", sqlite_file) == ""
    export(file_format, "trial", "--db", sqlite_file)
    assert Path("kept").read_bytes() == Path(f"trial.{file_format}").read_bytes()
    assert Path("pipe").is_fifo()


def test_a_device_that_is_full_is_named(sqlite_file: str) -> None:
    with pytest.raises(EnvironmentProblem, match="Cannot write /dev/full: No space left on device"):
        export("csv", "trial", "-o", "/dev/full", "--db", sqlite_file)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_export_that_is_told_to_end_leaves_nothing(sqlite_file: str, number: signal.Signals) -> None:
    query = NUMBERS.format(last=10**9) + "SELECT x FROM n"
    arguments = ["export", "csv", "--query", query, "-o", "x.csv", "--db", sqlite_file]
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not any(path.stat().st_size for path in Path.cwd().glob("*.part")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode in (128 + number, 130)
    assert "Traceback" not in errors
    assert list(Path.cwd().iterdir()) == []


def test_a_querys_parameters_are_given_by_name(sqlite_file: str) -> None:
    query = "SELECT id FROM trial WHERE seed IN :seeds AND model <> :model"
    values = ["--param", "seeds=[1, 3]", "--param", "model=a=b"]
    printed = export("csv", "--query", query, *values, "-o", "x.csv", "--db", sqlite_file)
    assert printed.startswith("Wrote 2 rows")
    assert Path("x.csv").read_text() == "id\n1\n3\n"
    assert export("csv", "--query", "SELECT 1 AS a", "-o", "y.csv", "--db", sqlite_file).startswith("Wrote 1 row (")


def test_a_first_batch_without_values_does_not_spoil_a_documented_column(sqlite_file: str) -> None:
    tau = "CASE WHEN x > 15000 THEN x * 0.5 END AS tau"
    model = "CASE WHEN x > 15000 THEN 'late' END AS model"
    query = NUMBERS.format(last=20_000) + f"SELECT {tau}, {model} FROM n"
    export("parquet", "--query", query, "-o", "late.parquet", "--db", sqlite_file)
    table = pq.read_table("late.parquet")
    assert (table.schema.field("tau").type, table.schema.field("model").type) == (pa.float64(), pa.string())
    assert table.num_rows == 20_000
    assert table.to_pylist()[-1] == {"tau": 10_000.0, "model": "late"}


def test_an_export_that_fails_half_way_leaves_nothing(sqlite_file: str) -> None:
    Path("kept.parquet").write_text("before")
    query = NUMBERS.format(last=20_000) + "SELECT CASE WHEN x < 15000 THEN x ELSE 'late' END AS mixed FROM n"
    with pytest.raises(SpecError, match=r"'mixed' holds values of kind integer and also 'late'"):
        export("parquet", "--query", query, "-o", "kept.parquet", "--force", "--db", sqlite_file)
    assert Path("kept.parquet").read_text() == "before"
    assert [path.name for path in Path.cwd().iterdir()] == ["kept.parquet"]


def test_a_file_is_only_replaced_by_force(sqlite_file: str) -> None:
    Path("trial.csv").write_text("mine")
    with pytest.raises(SpecError, match=r"trial\.csv exists.*--force"):
        export("csv", "trial", "--db", sqlite_file)
    assert Path("trial.csv").read_text() == "mine"
    export("csv", "trial", "--force", "--db", sqlite_file)
    assert len(Path("trial.csv").read_text().splitlines()) == 4


def test_others_may_read_the_file(sqlite_file: str) -> None:
    export("parquet", "trial", "--db", sqlite_file)
    Path("ordinary").touch()
    assert stat.S_IMODE(Path("trial.parquet").stat().st_mode) == stat.S_IMODE(Path("ordinary").stat().st_mode)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name one view or table, or give --query"),
        (["trial", "--query", "SELECT 1"], "Name one view or table, or give --query"),
        (["--query", "SELECT 1", "--sweep", "grid"], "WHERE"),
        (["trail"], r"no view or table 'trail'. Did you mean trial"),
        (["--query", "DELETE FROM trial"], "only reads"),
        (["trial", "-o", "."], "is a folder"),
        (["trial", "-o", "x.parquet"], "x.parquet ends as a parquet file and would hold csv; write `export parquet`"),
        (["--query", "SELECT 1 AS a, 2 AS a", "-o", "x.csv"], "Two columns of the query are called 'a'"),
        (["trial", "--param", "seed=1"], "--param is a value of a --query"),
        (["--query", "SELECT :a AS a", "--param", "a"], "--param is 'a'; write NAME=VALUE"),
        (["trial", "-o", "-", "--json"], "give one of them"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    sqlite_file: str, arguments: list[str], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        export("csv", *arguments, "--db", sqlite_file)
    assert list(Path.cwd().iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(sqlite_file: str) -> None:
    for file_format in ("csv", "json", "parquet"):
        with pytest.raises(EnvironmentProblem, match=r"Cannot write none/x: No such file or directory.*-o"):
            export(file_format, "trial", "-o", "none/x", "--db", sqlite_file)


def test_memory_does_not_grow_with_the_rows(sqlite_file: str) -> None:
    def peak(last: int) -> int:
        query = NUMBERS.format(last=last) + "SELECT x, 'a word of some length ' || x AS word, x * 0.1 AS y FROM n"
        arguments = ["export", "parquet", "--query", query, "-o", "n.out", "--force", "--db", sqlite_file]
        code = (
            f"import resource\nfrom orchestrator.cli import app\ntry: app({arguments})\n"
            "except SystemExit: pass\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return int(done.stdout.splitlines()[-1])

    assert peak(120_000) < peak(20_000) + 12_000, "in KiB; the rows together are over 28,000"
