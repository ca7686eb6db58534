"""`rlsweep plan` leaves everything as it was, and says what is wrong with what it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, text
from typer.testing import CliRunner

from db.connection.engines import begin_write, connect
from db.errors import RlsweepError, SchemaVersionError
from db.upkeep.revisions import VERSION_TABLE
from orchestrator.cli import app
from orchestrator.registration import register
from tests.old_database import make_old_database
from tests.unit.test_plan_gpus import SWEEPS
from tests.unit.test_plan_known import all_of, run, sweep

SINGLE_GPU = str(SWEEPS / "single_gpu.yaml")
FAR_AWAY = """
name: far-away
models:
  far: {source: nobody/Qwen2.5-7C, dtype: bfloat16}
  near: {source: Qwen/Qwen2.5-7B, dtype: bfloat16}
base: {preset: paper@1, data: {train: some/problems}}
axes: {grid: {model: [far, near], group_size: [4, 8]}}
budgets: {unit: samples, at: [5120]}
evaluations: [{benchmark: heldout, method: sampled, samples: 1}]
"""


def plan(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["plan", *arguments], env={"COLUMNS": "80"})
    if isinstance(done.exception, RlsweepError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli", "plan", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


@pytest.mark.parametrize("output", [(), ("--json",), ("--resolved",)], ids=["table", "json", "resolved"])
def test_where_there_is_no_database_none_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RLSWEEP_DB", raising=False)
    plan(SINGLE_GPU, *output)
    plan(SINGLE_GPU, *output, "--db", str(tmp_path / "elsewhere.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_file_is_left_as_it_is(sqlite_database: Engine) -> None:
    run(sqlite_database, register(sqlite_database, sweep()), 0, all_of())
    sqlite_database.dispose()
    file = Path(sqlite_database.url.database or "")
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    assert "1 done" in process(SINGLE_GPU, "--db", str(file)).stdout
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


def test_a_database_without_tables_stays_without(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    with pytest.raises(RlsweepError, match=r"is empty\. `rlsweep submit` and `rlsweep import` make its tables"):
        plan(SINGLE_GPU, "--db", str(file))
    assert file.read_bytes() == b""


def test_an_older_database_is_refused_by_what_to_do(empty_database_url: URL) -> None:
    make_old_database(empty_database_url)
    with pytest.raises(SchemaVersionError, match=r"older than this rlsweep's .* `rlsweep db upgrade`"):
        plan(SINGLE_GPU, "--db", empty_database_url.render_as_string(hide_password=False))


def test_a_newer_database_is_refused_by_what_to_do(database_url: URL) -> None:
    with begin_write(connect(database_url)) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match=r"newer than this rlsweep's .* Upgrade rlsweep\."):
        plan(SINGLE_GPU, "--db", database_url.render_as_string(hide_password=False))


def test_a_database_that_does_not_fit_ends_with_5_and_no_traceback(tmp_path: Path, sqlite_url: URL) -> None:
    with begin_write(connect(sqlite_url)) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    done = process(SINGLE_GPU, RLSWEEP_DB=sqlite_url.database or "")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith(f"rlsweep: {sqlite_url} is at revision 9999, newer than")
    assert len(done.stderr.splitlines()) == 1


def test_a_model_that_the_hub_cannot_be_asked_for_is_named_once_with_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "far.yaml"
    file.write_text(FAR_AWAY)
    done = process(str(file), "--db", str(tmp_path / "none.db"), HF_HUB_OFFLINE="1")
    assert (done.returncode, done.stdout) == (2, "")
    head, reason = done.stderr.splitlines()
    assert head == f"rlsweep: {file} has trials that cannot be planned:"
    assert reason.startswith("  far, group_size 4 and 1 more: model 'nobody/Qwen2.5-7C' is not known offline, and ")
    assert "offline mode is enabled" in reason
    assert "Nearest known: Qwen/Qwen2.5-7B, Qwen/Qwen2.5-72B, Qwen/Qwen2.5-3B. Correct the name, or give" in reason


def test_a_hub_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "far.yaml"
    file.write_text(FAR_AWAY)
    nowhere = "http://127.0.0.1:9"  # the port of a service that discards, where nothing listens
    done = process(str(file), "--db", str(tmp_path / "none.db"), HF_ENDPOINT=nowhere, HF_HUB_OFFLINE="0")
    assert done.returncode == 2
    assert "its config.json could not be fetched: the hub does not answer (" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SINGLE_GPU, "--gpu", "H101-80GB"), "GPU 'H101-80GB' is not known; did you mean H100-80GB"),
        ((SINGLE_GPU, "--gpu", "A100"), "GPU 'A100' is ambiguous; it is one of A100-80GB, A100-40GB."),
        ((SINGLE_GPU, "--gpu", "mine-0GB@5TFLOPS"), "memory, peak FLOP/s and GPUs per node must be positive"),
        ((SINGLE_GPU, "--set", "group_sice=4"), "--set group_sice=4: `group_sice` is not known here"),
        (("nowhere.yaml",), "nowhere.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_planned_is_one_message_and_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(RlsweepError) as caught:
        plan(*arguments, "--db", str(tmp_path / "none.db"))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_broken_file_is_told_every_mistake_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(FAR_AWAY.replace("[5120]", "[-1]").replace("[4, 8]", "[4, four]"))
    with pytest.raises(RlsweepError) as caught:
        plan(str(file), "--db", str(tmp_path / "none.db"))
    assert f"{file}:7:" in str(caught.value)
    assert f"{file}:8:" in str(caught.value)


def test_no_gpus_at_all_is_not_a_number_of_gpus() -> None:
    assert CliRunner().invoke(app, ["plan", SINGLE_GPU, "--gpus", "0"]).exit_code == 2


def test_a_database_that_is_no_file_yet_takes_no_database_library_to_see(tmp_path: Path) -> None:
    arguments = ["rlsweep", "plan", SINGLE_GPU, "--db", str(tmp_path / "none.db")]
    program = f"""
import sys
from orchestrator.cli import app
sys.argv = {arguments!r}
app(standalone_mode=False)
sys.exit("sqlalchemy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
