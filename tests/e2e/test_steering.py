"""A sweep that runs is steered from another terminal: paused, cancelled, put first, resumed, tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.command_line import CommandLine, kill_group, tiny_folder

STEPS = 50
SUBMIT = (
    "submit", "tiny.yaml", "--set", "model=[small]", "--set", "seed=[1, 2, 3]", "--set", f"budgets.at=[{STEPS}]",
    "--set", "limits.concurrent_trials=1",
)  # fmt: skip

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def folder(tmp_path: Path, made_models: Path) -> CommandLine:
    return tiny_folder(tmp_path, made_models)


def state(folder: CommandLine, trial_id: int) -> str:
    return str(folder.rows(f"SELECT state FROM trial WHERE id = {trial_id}")[0][0])


def test_what_is_asked_in_another_terminal_is_done_by_the_sweep_that_runs(folder: CommandLine) -> None:
    driver = folder.start(*SUBMIT)
    try:
        folder.wait_for_step(1, 2)
        assert folder.json("cancel", "tiny", "--where", "seed=2,3") == [
            {"trial_id": 2, "state": "cancelled", "hold": "cancel"},
            {"trial_id": 3, "state": "cancelled", "hold": "cancel"},
        ]
        paused = folder.run("pause", "tiny", "--state", "running")
        assert paused.stdout == "1 trial of tiny paused (1); 1 of them at the end of the step.\n"
        folder.wait_for_rows("SELECT 1 FROM trial WHERE id = 1 AND state = 'paused'", "trial 1 pauses")
        assert "Nothing changes" in folder.run("pause", "tiny", "--trial", "1").stdout
        assert driver.poll() is None, "as long as a trial is paused it may be resumed"
        assert folder.run("prioritise", "tiny", "--trial", "2", "--priority", "9").returncode == 0
        assert folder.run("retry", "tiny", "--trial", "2").returncode == 0
        folder.wait_for_rows("SELECT 1 FROM trial WHERE id = 2 AND state = 'running'", "trial 2 takes the place")
        assert folder.run("resume", "tiny").stdout == "1 trial of tiny resumed (1).\n"
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    finally:
        kill_group(driver)
    assert [state(folder, trial) for trial in (1, 2, 3)] == ["succeeded", "succeeded", "cancelled"]
    attempts = folder.rows("SELECT trial_id, number, state FROM attempt ORDER BY started_at")
    assert attempts == [(1, 1, "interrupted"), (2, 1, "succeeded"), (1, 2, "succeeded")]
    steps = folder.rows("SELECT trial_id, step FROM live_step ORDER BY trial_id, step")
    assert steps == [(trial, step) for trial in (1, 2) for step in range(1, STEPS + 1)]
    again = folder.run(*SUBMIT)
    assert again.returncode == 0
    assert "nothing is left to do" in again.stdout
