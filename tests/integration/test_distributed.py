"""One trial on two processes: what it measures is what one process measures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import TINY_SWEEP
from tests.e2e.command_line import CommandLine, kill_group

# Two updates a step, so that each process must hold its part of both.
SWEEP = TINY_SWEEP.replace("group_size: 4", "group_size: 4\n  updates_per_step: 2\n  loss: {kl_coefficient: 0.01}")

TRIAL = """
import os, psutil, sys
from pathlib import Path
from db.database import open_database, resolve_url
from db.reader import Reader
from db.store import claim
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from workers.provenance import this_process
from workers.trial import Folders, run_trial

folder, models, processes, micro_batch, stops_at = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:6])
engine = open_database(resolve_url(str(folder / "rlsweep.db")))
loaded = load_sweep(folder / "tiny.yaml", ["model=[small]", "seed=[1]", *sys.argv[6:]])
registration = register(engine, loaded)
trial_id, sweep_id = registration.trial_ids[0], registration.sweep_id
spec = loaded.trials[0].spec
spec = spec.model_copy(update={"execution": spec.execution.model_copy(
    update={"processes": processes, "micro_batch": micro_batch})})
def lost(failure, message):
    print("LOST", failure, message, flush=True)
    os._exit(10)
store = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=this_process())
seen = []
def is_stopping():
    seen.append(1)
    if len(seen) != stops_at:
        return False
    for child in psutil.Process().children():  # a cluster that stops a trial tells all of its processes
        if any("follower" in argument for argument in child.cmdline()):
            child.terminate()
    return True
outcome = run_trial(spec, store=store, reader=Reader(engine),
                    folders=Folders(models, folder / "trial", str(folder / "checkpoints")),
                    is_stopping=is_stopping, on_loss=lost)
store.end(outcome)
print(outcome)
"""


def start(
    folder: Path, models: Path, *recipe: str, processes: int, micro_batch: int = 4, stops_at: int = 0
) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(SWEEP)
    arguments = [str(folder), str(models), str(processes), str(micro_batch), str(stops_at), *recipe]
    return subprocess.Popen(
        [sys.executable, "-c", TRIAL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def run(folder: Path, models: Path, *recipe: str, **options: int) -> str:
    trial = start(folder, models, *recipe, **options)
    output, _ = trial.communicate(timeout=200)
    assert trial.returncode == 0, output[-3000:]
    return output.split()[-1]


@pytest.fixture(scope="module")
def models(made_models: Path) -> Path:
    return made_models


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, models: Path) -> CommandLine:
    """The trial on one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert run(folder, models, processes=1) == "succeeded"
    return CommandLine(folder)


def assert_same_curve(one: CommandLine, two: CommandLine) -> None:
    curves = one.curve(), two.curve()
    assert len(curves[0]) == len(curves[1]) > 0
    for row, other in zip(*curves, strict=True):
        for value, expected in zip(row, other, strict=True):
            assert value == (expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-4, abs=1e-5))


def test_two_processes_measure_what_one_does(alone: CommandLine, models: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "two", models, processes=2) == "succeeded"
    assert_same_curve(alone, CommandLine(tmp_path / "two"))


def test_groups_are_drawn_anew_by_two_processes_together(models: Path, tmp_path: Path) -> None:
    recipe = ("base.algorithm=dapo", "base.loss={mask_truncated: false}", "budgets.at=[2]")
    assert run(tmp_path / "two", models, *recipe, processes=2) == "succeeded"
    sql = "SELECT step, cumulative_samples, completions, trained_completions, zero_variance_share FROM live_step"
    steps = CommandLine(tmp_path / "two").rows(f"{sql} ORDER BY step")
    assert [row[0] for row in steps] == [1, 2]
    assert all(drawn > trained == steps[0][3] for _, _, drawn, trained, _ in steps), "some groups were equal"
    assert all(seen % 2 == 0 for _, seen, *_ in steps), "both have as many prompts in every draw"


def test_another_number_of_processes_may_resume_it(alone: CommandLine, models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "resumed"
    assert run(folder, models, processes=2, micro_batch=2, stops_at=3) == "interrupted"
    assert run(folder, models, processes=2, stops_at=3) == "interrupted"
    assert run(folder, models, processes=1) == "succeeded"
    resumed = CommandLine(folder)
    assert resumed.rows("SELECT number, resumed_from_step FROM attempt") == [(1, 0), (2, 3), (3, 6)]
    assert_same_curve(alone, resumed)


def listening(process: psutil.Process) -> set[str]:
    """The addresses."""
    return {each.laddr.ip for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN}


def test_a_process_that_dies_ends_the_others(models: Path, alone: CommandLine, tmp_path: Path) -> None:
    trial = start(tmp_path / "killed", models, processes=2)
    try:
        CommandLine(tmp_path / "killed").wait_for_step(1, 2)
        (follower,) = psutil.Process(trial.pid).children()
        assert listening(psutil.Process(trial.pid)) | listening(follower) == {"127.0.0.1"}
        follower.kill()
        output, _ = trial.communicate(timeout=60)
    finally:
        kill_group(trial)
    assert trial.returncode in (1, 10), output[-2000:]
    assert not follower.is_running()
