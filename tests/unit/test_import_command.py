"""`rlsweep import`: what it prints, what it leaves, and that what it imports can be fitted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from db.errors import RlsweepError, SpecError
from orchestrator.cli import app

CURVE = "model,num_params,seed,step,samples,accuracy,colour\nQ,7e9,1,1,512,25,red\nQ,7e9,1,2,1024,50,red\n"
ARGUMENTS = ("--map", "accuracy=score:percent", "--set", "benchmark=math", "--set", "problems=4", "--sweep", "mine")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RLSWEEP_DB", raising=False)
    (tmp_path / "curve.csv").write_text(CURVE)
    return tmp_path


def rlsweep(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "140"})
    if isinstance(result.exception, RlsweepError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def as_json(*arguments: str) -> Any:
    return json.loads(rlsweep(*arguments, "--json").stdout)


def test_a_dry_run_shows_everything_and_leaves_no_database(folder: Path) -> None:
    shown = rlsweep("import", "csv", "curve.csv", *ARGUMENTS, "--dry-run").stdout
    for text in ("score:percent", "problems = 4", "Ignored columns: colour", "2 (1 to 2)", "7B", "nothing was written"):
        assert text in shown
    assert not (folder / "rlsweep.db").exists()


def test_a_dry_run_of_an_extension_says_so_and_writes_nothing(folder: Path) -> None:
    rlsweep("import", "csv", "curve.csv", *ARGUMENTS)
    (folder / "longer.csv").write_text(CURVE + "Q,7e9,1,3,1536,75,red\n")
    for _ in range(2):
        found = as_json("import", "csv", "longer.csv", *ARGUMENTS, "--dry-run")
        (run,) = found["files"][0]["runs"]
        assert (run["change"], run["steps_written"], run["evaluations_written"]) == ("extended", 1, 1)


def test_an_import_is_listed_by_status_and_a_second_one_changes_nothing(folder: Path) -> None:
    first = as_json("import", "csv", "curve.csv", *ARGUMENTS)["files"][0]
    assert first["mapping"]["accuracy"] == "score:percent"
    assert first["constants"] == {"--set benchmark": "math", "--set problems": "4"}
    assert first["ignored"] == ["colour"]
    assert first["runs"][0]["x"] == ["samples"]
    (trial,) = as_json("status", "mine")
    assert (trial["model"], trial["step"], trial["state"]) == ("Q", 2, "succeeded")
    assert "nothing was written" in rlsweep("import", "csv", "curve.csv", *ARGUMENTS).stdout


def test_status_and_show_take_runs_of_which_little_is_known(folder: Path) -> None:
    (folder / "bare.csv").write_text("step,reward,score\n1,0.5,0.5\n")
    rlsweep("import", "csv", "bare.csv", "--set", "model=Q", "--set", "benchmark=math")
    assert "Q" in rlsweep("status", "bare").stdout
    assert "imported (csv)" in rlsweep("show", "1").stdout


def test_a_fit_asks_for_the_size_that_no_file_gave(folder: Path) -> None:
    (folder / "bare.csv").write_text("step,score\n1,0.5\n2,0.6\n")
    rlsweep("import", "csv", "bare.csv", "--set", "model=Q", "--set", "benchmark=math")
    with pytest.raises(RlsweepError, match="the size of Q is not known"):
        rlsweep("fit", "bare", "--x", "steps")


def test_problems_are_one_message_and_leave_no_database(folder: Path) -> None:
    with pytest.raises(SpecError, match="--map accuracy=score:percent"):
        rlsweep("import", "csv", "curve.csv", "--map", "accuracy=score", "--set", "benchmark=math")
    assert not (folder / "rlsweep.db").exists()


def test_other_values_are_refused_and_can_be_put_in_place(folder: Path) -> None:
    rlsweep("import", "csv", "curve.csv", *ARGUMENTS)
    (folder / "curve.csv").write_text(CURVE.replace("50", "75"))
    with pytest.raises(SpecError, match="--replace"):
        rlsweep("import", "csv", "curve.csv", *ARGUMENTS)
    shown = rlsweep("import", "csv", "curve.csv", *ARGUMENTS, "--dry-run").stdout
    assert "conflicting" in shown
    assert "score on math (unstated) is 0.5 here and 0.75 in the file" in shown
    rlsweep("import", "csv", "curve.csv", *ARGUMENTS, "--replace")
    assert as_json("status", "mine")[0]["last_loss"] == 0.25


def test_several_files_need_the_name_of_their_sweep(folder: Path) -> None:
    (folder / "b.csv").write_text(CURVE.replace(",1,", ",2,"))
    with pytest.raises(SpecError, match="--sweep NAME"):
        rlsweep("import", "csv", "curve.csv", "b.csv", "--set", "benchmark=m")


@pytest.mark.parametrize("extra", ["wandb", "tensorboard"])
def test_a_missing_extra_is_named(folder: Path, extra: str) -> None:
    """In a process of its own, in which the package cannot be imported."""
    (folder / "run-x.wandb").write_bytes(b":W&B\xe1\xbe\x00")
    (folder / "events.out.tfevents.1").write_bytes(b"")
    code = (
        f"import sys\nsys.modules[{extra!r}] = None\nfrom orchestrator.cli import main\n"
        f"sys.argv = ['rlsweep', 'import', {extra!r}, '.']\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"install rlsweep[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["csv", "verl", "wandb", "tensorboard"])
def test_the_help_of_an_import_imports_nothing_heavy(command: str) -> None:
    code = (
        f"from orchestrator.cli import app\ntry: app(['import', '{command}', '--help'])\nexcept SystemExit: pass\n"
        "import sys\nheavy = {'pandas', 'numpy', 'pyarrow', 'wandb', 'tensorboard'}\nprint(*(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_the_published_base_curves_import_and_fit_with_one_command_each(folder: Path) -> None:
    data = os.environ.get("RLSWEEP_PAPER_DATA")
    if not data:
        pytest.skip("RLSWEEP_PAPER_DATA does not name a folder with base_test_loss_vs_samples.csv")
    rlsweep(
        "import", "csv", str(Path(data) / "base_test_loss_vs_samples.csv"), "--map", "model_params=num_params",
        "--set", "benchmark=heldout-500", "--set", "problems=500", "--sweep", "paper-base",
    )  # fmt: skip
    trials = as_json("status", "paper-base")
    assert [trial["model"] for trial in trials][0::3] == ["base-0.5B", "base-7B", "base-72B"]
    fit = as_json("fit", "paper-base", "--x", "data")
    assert [size["k"] for size in fit["sizes"]] == pytest.approx(
        (0.0065, 0.0247, 0.0182, 0.0450, 0.0745, 0.1072, 0.1126), abs=0.002
    )
    # The scores were read off a figure, so nobody knows how many problems were right.
    curve = as_json("show", str(trials[0]["trial_id"]))["curve"]
    assert {(row["problems"], row["successes"], row["standard_error"]) for row in curve} == {(500, None, None)}
