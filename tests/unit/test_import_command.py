"""`rlsweep import`: what it prints, what it leaves, and that what it imports can be fitted."""

from __future__ import annotations

import json
import os
import pty
import re
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


def rlsweep(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "140"})
    if isinstance(result.exception, RlsweepError):
        raise result.exception
    assert result.exit_code == exit_code, result.output
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
    shown = rlsweep("import", "csv", "curve.csv", *ARGUMENTS, "--dry-run", exit_code=SpecError.exit_code).stdout
    assert "conflicting (3 values)" in shown
    assert "score on math (unstated) is 0.5 here and 0.75 in the file" in shown
    rlsweep("import", "csv", "curve.csv", *ARGUMENTS, "--replace")
    assert as_json("status", "mine")[0]["last_loss"] == 0.25


def test_a_file_that_replaces_says_beforehand_what_will_count_no_more(folder: Path) -> None:
    rlsweep("import", "csv", "curve.csv", *ARGUMENTS)
    (folder / "scores.csv").write_text("model,num_params,seed,step,accuracy\nQ,7e9,1,1,75\n")
    shown = rlsweep("import", "csv", "scores.csv", *ARGUMENTS, "--dry-run", "--replace").stdout
    assert "replaced (loses 1 evaluation)" in shown
    assert "(1 evaluation without values in the new file count no more)" in shown
    assert as_json("status", "mine")[0]["last_loss"] == 0.5
    (run,) = as_json("import", "csv", "scores.csv", *ARGUMENTS, "--replace")["files"][0]["runs"]
    assert (run["change"], run["steps_lost"], run["evaluations_lost"]) == ("replaced", 0, 1)
    (trial,) = as_json("status", "mine")
    assert (trial["step"], trial["last_loss"]) == (2, 0.25)
    (score,) = as_json("show", str(trial["trial_id"]))["curve"]
    assert (score["step"], score["samples"], score["score"]) == (1, 512, 0.75)


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


def sizes(*columns: str) -> str:
    """A table of three sizes with these columns, each of which rises from step to step."""
    lines = [",".join(["model", "num_params", "seed", "step", *columns, "score"])]
    for number, size in enumerate((1, 3, 7)):
        for step in range(1, 9):
            loss = 0.9 * step ** -(0.1 + 0.05 * number)
            lines.append(
                ",".join(
                    [f"Q{size}", f"{size}e9", "1", str(step), *[str(512 * step)] * len(columns), f"{1 - loss:.6f}"]
                )
            )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("columns", "option"),
    [
        (("flops", "samples"), ""),
        (("samples", "tokens"), " --x data"),
        (("tokens",), " --x tokens"),
        ((), " --x steps"),
    ],
)
def test_the_command_that_an_import_names_next_works(folder: Path, columns: tuple[str, ...], option: str) -> None:
    (folder / "sizes.csv").write_text(sizes(*columns))
    shown = rlsweep("import", "csv", "sizes.csv", "--set", "benchmark=math").stdout
    command = shown.splitlines()[-1].removeprefix("Next: ")
    assert command == f"rlsweep fit sizes{option}"
    rlsweep(*command.split()[1:])


def test_the_command_that_an_import_names_next_chooses_among_benchmarks(folder: Path) -> None:
    (folder / "sizes.csv").write_text(sizes("samples"))
    for benchmark in ("hard math", "code"):
        shown = rlsweep("import", "csv", "sizes.csv", "--set", f"benchmark={benchmark}", "--db", "other.db").stdout
    command = shown.splitlines()[-1].removeprefix("Next: ")
    assert command == "rlsweep fit sizes --x data --benchmark code --db other.db"
    rlsweep(*command.split()[1:])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step,reward\n1,.5\n2,.6\n", "no score was imported; map a column to score or test_loss."),
        ("step,benchmark,score\n1,b,.5\n2,b,.6\n", "the size of Q is not known. Import again with --set num_params="),
        ("step,benchmark,num_params,score\n0,b,7e9,.5\n1,b,7e9,.6\n", "no run has scores at two steps after step 0."),
    ],
)  # fmt: skip
def test_where_nothing_can_be_fitted_an_import_says_why(folder: Path, text: str, said: str) -> None:
    (folder / "bare.csv").write_text(text)
    *_, last = rlsweep("import", "csv", "bare.csv", "--set", "model=Q").stdout.splitlines()
    assert last.startswith(f"Nothing to fit yet: {said}")


def test_a_size_is_added_by_importing_again(folder: Path) -> None:
    rlsweep("import", "csv", "curve.csv", "--map", "num_params=-", *ARGUMENTS)
    shown = rlsweep("import", "csv", "curve.csv", "--map", "num_params=-", *ARGUMENTS, "--set", "num_params=7e9").stdout
    assert "1 extended; what was not known (num_params) written." in shown
    assert as_json("fit", "mine", "--x", "data")["sizes"][0]["num_params"] == 7_000_000_000


def test_one_is_not_counted_as_many(folder: Path) -> None:
    (folder / "one.csv").write_text("model,step,kl,benchmark,score\nQ,1,0.5,b,0.5\n")
    assert "1 run of sweep one: 1 new; 1 step and 1 evaluation written." in rlsweep("import", "csv", "one.csv").stdout


def long_names(folder: Path) -> list[str]:
    names = [f"grpo-on-{'very-' * 12}long-names-seed-{seed}" for seed in (1, 2)]
    lines = ["run,model,num_params,seed,step,samples,benchmark,score"]
    lines += [f"{name},Qwen2.5-7B-Instruct,7e9,1,1,512,math,0.5" for name in names]
    (folder / "long.csv").write_text("\n".join(lines) + "\n")
    return names


def test_a_table_is_not_wrapped_where_there_is_no_terminal(folder: Path) -> None:
    names = long_names(folder)
    shown = CliRunner().invoke(app, ["import", "csv", "long.csv", "--dry-run"], env={"COLUMNS": "80"}).stdout
    for name in names:
        (line,) = (line for line in shown.splitlines() if line.startswith(name))
        assert line.split() == [name, "Qwen2.5-7B-Instruct", "7B", "1", "1", "(1", "to", "1)", "1", "samples", "new"]


def test_on_a_narrow_terminal_names_of_runs_stay_whole(folder: Path) -> None:
    names = long_names(folder)
    shown = run_on_terminal("import", "csv", "long.csv", "--dry-run", columns=80)
    for name in names:
        assert name in shown.splitlines()
    told = "  model Qwen2.5-7B-Instruct (7B), seed 1; 1 step (1 to 1), 1 evaluation; x: \nsamples; new"
    assert shown.count(told) == len(names)


def run_on_terminal(*arguments: str, columns: int) -> str:
    """What a terminal of that width is sent, without its colours."""
    code = "from orchestrator.cli import main\nmain()"
    terminal, shown = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdout=shown, env=environment) as process:
        os.close(shown)
        written = b""
        while part := _read(terminal):
            written += part
        assert process.wait() == 0
    os.close(terminal)
    return re.sub(r"\x1b\[[0-9;]*m", "", written.decode()).replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that nobody writes any more
        return b""
