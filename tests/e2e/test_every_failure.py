"""One sweep in which every trial fails in another way: each is recognised, and its policy does what it says."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command_line import CommandLine, tiny_folder

# Python runs this in every process at its start. In an attempt's own, the import of torch, which comes once the trial
# is claimed, fails as one of these says, by the trial's number; that of trial 1 fails once.
FAULTS = """
import errno, os, pathlib, signal, sys, time

def torch_distributed():
    raise RuntimeError("NCCL error in: ProcessGroupNCCL.cpp:3690, unhandled system error")

def no_memory():
    bytearray(2**62)

def stalls():
    time.sleep(3600)

def no_room():
    raise OSError(errno.ENOSPC, "No space left on device")

def crashes():
    os.kill(os.getpid(), signal.SIGSEGV)

def dies_of_memory():
    print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr, flush=True)
    os.abort()

def damaged():
    from db.errors import CheckpointError
    raise CheckpointError("The checkpoint is damaged.")

def lacks():
    from db.errors import EnvironmentProblem
    raise EnvironmentProblem("There is no such device here.")

def engine():
    from db.errors import EngineError
    raise EngineError("The engine has other weights.")

def asks_for_nonsense():
    from db.errors import SpecError
    raise SpecError("Nobody can do that.")

def bug():
    {}["answer"]

FAULTS = [torch_distributed, no_memory, stalls, no_room, crashes, dies_of_memory, damaged, lacks, engine,
          asks_for_nonsense, bug]

class AtTorch:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            sys.meta_path.remove(self)
            FAULTS[trial - 1]()

if "workers.attempt" in sys.orig_argv:
    trial = next(int(each.partition("=")[2]) for each in sys.orig_argv if each.startswith("--trial-id="))
    before = pathlib.Path(__file__).parent / f"{trial}.failed"
    if trial > 1 or not before.exists():
        before.touch()
        sys.meta_path.insert(0, AtTorch())
"""
STALLS = "[{if: {seed: 3}, set: {health: {stall_minutes: 0.05}}}]"
RETRY = "{nccl: {max: 2, backoff_seconds: 3}, disk_full: {max: 2, backoff_seconds: 1}, host_memory: {max: 1}," \
    " timeout: {max: 1}, died: {max: 1}, engine: {max: 1}}"  # fmt: skip
EXPECTED = {
    1: [("failed", "nccl"), ("succeeded", None)],
    2: [("failed", "host_memory")] * 2,
    3: [("failed", "timeout")] * 2,
    4: [("failed", "disk_full")] * 3,
    5: [("lost", "died")] * 2,
    6: [("lost", "host_memory")] * 2,
    7: [("failed", "checkpoint")] * 2,  # as by default
    8: [("failed", "environment")],
    9: [("failed", "engine")] * 2,
    10: [("failed", "spec")],
    11: [("failed", "code")],
}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory, made_models: Path) -> CommandLine:
    rlsweep = tiny_folder(tmp_path_factory.mktemp("failures"), made_models)
    (rlsweep.folder / "faults").mkdir()
    (rlsweep.folder / "faults" / "sitecustomize.py").write_text(FAULTS)
    settings = ["model=[small]", f"seed={list(EXPECTED)}", "budgets.at=[1]", f"axes.when={STALLS}", f"retry={RETRY}"]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(rlsweep.folder / "faults"))
        done = rlsweep.run("submit", "tiny.yaml", *(word for each in settings for word in ("--set", each)))
    assert done.returncode == 3, done.stdout + done.stderr
    return rlsweep


def attempts(rlsweep: CommandLine, trial: int, columns: str) -> list[tuple[Any, ...]]:
    return rlsweep.rows(f"SELECT {columns} FROM attempt WHERE trial_id = {trial} ORDER BY number")


@pytest.mark.parametrize("trial", EXPECTED)
def test_it_is_recognised_and_tried_again_as_often_as_its_policy_says(failed: CommandLine, trial: int) -> None:
    assert attempts(failed, trial, "state, failure_class") == EXPECTED[trial]
    ((state,),) = failed.rows(f"SELECT state FROM trial WHERE id = {trial}")
    assert state == ("succeeded" if trial == 1 else "failed")


def test_the_pause_before_the_next_attempt_doubles(failed: CommandLine) -> None:
    def pauses(trial: int) -> list[float]:
        times = [
            [datetime.fromisoformat(each) for each in row] for row in attempts(failed, trial, "started_at, ended_at")
        ]
        return [(after[0] - before[1]).total_seconds() for before, after in pairwise(times)]

    assert pauses(1)[0] >= 3
    first, second = pauses(4)
    assert first >= 1
    assert second >= 2


def test_a_trial_that_is_given_up_says_why(failed: CommandLine) -> None:
    (shown,) = [row for row in failed.json("status") if row["trial_id"] == 4]
    assert shown["state"] == "failed"
    assert "No space left on device" in shown["message"]
    assert "retry.disk_full.max is 2" in shown["message"]
