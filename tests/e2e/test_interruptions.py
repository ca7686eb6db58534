"""Trials and drivers that are killed or interrupted: the sweep ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.e2e.command_line import CommandLine, is_running, kill_group, tiny_folder

STEPS = 70

pytestmark = pytest.mark.timeout(600)  # five processes start anew in each, beside whatever else is tested
SUBMIT = ("submit", "tiny.yaml", "--set", "model=[small]", "--set", f"budgets.at=[{STEPS}]")
ONE_TRIAL = (*SUBMIT, "--set", "seed=[1]")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, made_models: Path) -> CommandLine:
    rlsweep = tiny_folder(tmp_path_factory.mktemp("uninterrupted"), made_models)
    done = rlsweep.run(*SUBMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    return rlsweep


@pytest.fixture
def folder(tmp_path: Path, made_models: Path) -> CommandLine:
    return tiny_folder(tmp_path, made_models)


def assert_finished_as_if_uninterrupted(rlsweep: CommandLine, uninterrupted: CommandLine, *, trials: int) -> None:
    """No step twice, none missing, and every recorded number the same, bit for bit."""
    steps = rlsweep.rows("SELECT trial_id, step FROM live_step ORDER BY trial_id, step")
    assert steps == [(trial, step) for trial in range(1, trials + 1) for step in range(1, STEPS + 1)]
    curve, hashes = rlsweep.curve(), {row[0] for row in rlsweep.rows("SELECT science_hash FROM trial")}
    assert curve == [row for row in uninterrupted.curve() if row[0] in hashes]
    assert {row[0] for row in rlsweep.rows("SELECT state FROM trial")} == {"succeeded"}


def disturb(folder: CommandLine, trial: int, moments: Random) -> None:
    """Kill the first two attempts at trial 1; ask the first at trial 2 to stop, and kill the Ray worker of the second.

    From the first step on, so wherever the attempt then is: drawing, updating, scoring or saving.
    """
    for attempt in (1, 2):
        sql = f"SELECT 1 FROM step WHERE trial_id = {trial} AND attempt = {attempt}"
        folder.wait_for_rows(sql, f"attempt {attempt} at trial {trial} has taken a step")
        time.sleep(moments.uniform(0.0, 0.6))
        pid = folder.living_pid(trial)
        if (trial, attempt) == (2, 1):
            os.kill(pid, signal.SIGTERM)
        else:
            os.kill(psutil.Process(pid).ppid() if trial == 2 else pid, signal.SIGKILL)


def test_trials_that_are_killed_at_random_moments_or_asked_to_stop_are_started_again_by_themselves(
    folder: CommandLine, uninterrupted: CommandLine
) -> None:
    driver = folder.start(*SUBMIT, "--set", "checkpoints.every_steps=3")
    try:
        with ThreadPoolExecutor() as pool:  # at once, or one would be done before its turn comes
            tasks = [pool.submit(disturb, folder, trial, Random(os.getpid() + trial)) for trial in (1, 2)]
        for task in tasks:
            task.result()
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    finally:
        kill_group(driver)
    assert not any(is_running(pid) for (pid,) in folder.rows("SELECT pid FROM attempt"))
    for trial, ended in {1: "lost", 2: "interrupted"}.items():
        states = folder.rows(f"SELECT number, state FROM attempt WHERE trial_id = {trial} ORDER BY number")
        assert states == [(1, ended), (2, "lost"), (3, "succeeded")]
    assert_finished_as_if_uninterrupted(folder, uninterrupted, trials=2)


def test_a_driver_that_is_killed_or_interrupted_leaves_no_process_and_nothing_undone(
    folder: CommandLine, uninterrupted: CommandLine
) -> None:
    """The first driver is killed; a second one, interrupted, saves the trial; a third one finishes it."""
    driver = folder.start(*ONE_TRIAL)
    try:
        folder.wait_for_rows("SELECT 1 FROM attempt", "a trial starts")
        second = folder.run(*ONE_TRIAL)
        assert second.returncode == 1
        assert "Another `rlsweep submit` is running sweep 'tiny'" in second.stderr
        folder.wait_for_step(1, 1)
        pids = [pid for (pid,) in folder.rows("SELECT pid FROM attempt")]
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        # At once, while the attempts of the dead driver may still be dying.
        driver = folder.start(*ONE_TRIAL)
        folder.wait_for_rows("SELECT 1 FROM step WHERE trial_id = 1 AND attempt = 2", "trial 1 goes on")
        assert not any(is_running(pid) for pid in pids)
        os.kill(driver.pid, signal.SIGINT)
        output, _ = driver.communicate(timeout=120)
    finally:
        kill_group(driver)
    assert driver.returncode == 130, output
    assert "Stopping: trials save at the end of their step." in output
    assert "The same command continues from the last checkpoints." in output
    interrupted = folder.rows("SELECT trial_id, MAX(step) FROM live_step GROUP BY trial_id ORDER BY trial_id")
    saved = folder.rows("SELECT trial_id, MAX(step) FROM live_checkpoint GROUP BY trial_id ORDER BY trial_id")
    assert interrupted == saved, "the last step of every trial is in a checkpoint"
    assert interrupted[0][1] < STEPS
    assert folder.rows("SELECT COUNT(*) FROM attempt WHERE state IN ('running', 'failed')") == [(0,)]
    done = folder.run(*ONE_TRIAL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_finished_as_if_uninterrupted(folder, uninterrupted, trials=1)


def test_ctrl_c_before_anything_runs_leaves_everything_to_do(folder: CommandLine) -> None:
    driver = folder.start(*SUBMIT)
    try:
        folder.wait_for_rows("SELECT 1 FROM trial WHERE state = 'queued'", "the trials are queued")
        os.kill(driver.pid, signal.SIGINT)
        output, _ = driver.communicate(timeout=120)
    finally:
        kill_group(driver)
    assert driver.returncode == 130, output
    assert folder.rows("SELECT DISTINCT state FROM trial") == [("planned",)]
    assert folder.rows("SELECT COUNT(*) FROM attempt") == [(0,)]
