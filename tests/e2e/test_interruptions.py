"""Trials and drivers that are killed or interrupted: the sweep ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.conftest import TINY_SWEEP
from tests.e2e.command_line import CommandLine, is_running, kill_group

STEPS = 30
SUBMIT = ("submit", "tiny.yaml", "--set", "model=[small]", "--set", f"budgets.at=[{STEPS}]")


def new_folder(folder: Path) -> CommandLine:
    (folder / "tiny.yaml").write_text(TINY_SWEEP)
    return CommandLine(folder)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    rlsweep = new_folder(tmp_path_factory.mktemp("uninterrupted"))
    done = rlsweep.run(*SUBMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    return rlsweep


@pytest.fixture
def folder(tmp_path: Path, uninterrupted: CommandLine) -> CommandLine:
    """An empty folder but for the base models, which are not what is tested here."""
    rlsweep = new_folder(tmp_path)
    (tmp_path / "rlsweep_artifacts").mkdir()
    (tmp_path / "rlsweep_artifacts" / "models").symlink_to(uninterrupted.folder / "rlsweep_artifacts" / "models")
    return rlsweep


def assert_finished_as_if_uninterrupted(rlsweep: CommandLine, uninterrupted: CommandLine) -> None:
    """No step twice, none missing, and every recorded number the same, bit for bit."""
    steps = rlsweep.rows("SELECT trial_id, step FROM live_step ORDER BY trial_id, step")
    assert steps == [(trial, step) for trial in (1, 2) for step in range(1, STEPS + 1)]
    assert rlsweep.curve() == uninterrupted.curve()
    assert {row[0] for row in rlsweep.rows("SELECT state FROM trial")} == {"succeeded"}


def test_a_trial_that_is_killed_at_random_moments_is_started_again_by_itself(
    folder: CommandLine, uninterrupted: CommandLine
) -> None:
    driver = folder.start(*SUBMIT, "--set", "checkpoints.every_steps=3")
    moments = Random(os.getpid())
    try:
        for number in (1, 2):
            # From its first step on, so wherever it then is: drawing, updating, scoring or saving.
            sql = f"SELECT 1 FROM step WHERE trial_id = 1 AND attempt = {number}"
            folder.wait_for_rows(sql, f"attempt {number} has taken a step")
            time.sleep(moments.uniform(0.0, 2.0))
            os.kill(folder.living_pid(1), signal.SIGKILL)
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    finally:
        kill_group(driver)
    states = folder.rows("SELECT number, state FROM attempt WHERE trial_id = 1 ORDER BY number")
    assert states == [(1, "lost"), (2, "lost"), (3, "succeeded")]
    assert_finished_as_if_uninterrupted(folder, uninterrupted)


def test_a_driver_that_is_killed_leaves_no_process_and_nothing_undone(
    folder: CommandLine, uninterrupted: CommandLine
) -> None:
    driver = folder.start(*SUBMIT)
    try:
        folder.wait_for_step(1, 8)
        folder.wait_for_step(2, 1)
        pids = [folder.living_pid(trial) for trial in (1, 2)]
        os.kill(driver.pid, signal.SIGKILL)
        done = folder.run(*SUBMIT)  # at once, while the attempts of the dead driver may still be dying
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        kill_group(driver)
    assert not any(is_running(pid) for pid in pids)
    assert_finished_as_if_uninterrupted(folder, uninterrupted)


def test_a_ray_worker_that_is_killed_takes_its_attempt_with_it_and_the_trial_goes_on(
    folder: CommandLine, uninterrupted: CommandLine
) -> None:
    driver = folder.start(*SUBMIT)
    try:
        folder.wait_for_step(1, 8)
        attempt = folder.living_pid(1)
        os.kill(psutil.Process(attempt).ppid(), signal.SIGKILL)
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    finally:
        kill_group(driver)
    assert not is_running(attempt)
    assert_finished_as_if_uninterrupted(folder, uninterrupted)


def test_a_trial_that_is_asked_to_stop_from_outside_saves_and_is_continued(
    folder: CommandLine, uninterrupted: CommandLine
) -> None:
    driver = folder.start(*SUBMIT)
    try:
        folder.wait_for_step(1, 5)
        os.kill(folder.living_pid(1), signal.SIGTERM)
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    finally:
        kill_group(driver)
    states = folder.rows("SELECT state, message FROM attempt WHERE trial_id = 1 ORDER BY number")
    assert states == [("interrupted", None), ("succeeded", None)]
    assert_finished_as_if_uninterrupted(folder, uninterrupted)


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


def test_a_second_driver_is_refused(folder: CommandLine) -> None:
    driver = folder.start(*SUBMIT)
    try:
        folder.wait_for_step(1, 1)
        done = folder.run(*SUBMIT)
    finally:
        kill_group(driver)
    assert done.returncode == 1
    assert "Another `rlsweep submit` is running sweep 'tiny'" in done.stderr


def test_ctrl_c_saves_every_trial_and_the_same_command_continues(
    folder: CommandLine, uninterrupted: CommandLine
) -> None:
    driver = folder.start(*SUBMIT)
    try:
        folder.wait_for_step(1, 5)
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
    assert folder.rows("SELECT COUNT(*) FROM attempt WHERE state IN ('running', 'lost', 'failed')") == [(0,)]
    done = folder.run(*SUBMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_finished_as_if_uninterrupted(folder, uninterrupted)
