"""A trial that a health gate ends: a result with a name, from the process to the terminal."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.command_line import tiny_folder

SUBMIT = ("submit", "tiny.yaml", "--set", "model=[small]", "--set", "seed=[1]")
GATE = ("--set", "base.health={min_entropy: 100, patience_steps: 2}")


def test_a_stopped_trial_is_no_failure_and_is_not_tried_again(tmp_path: Path, made_models: Path) -> None:
    rlsweep = tiny_folder(tmp_path, made_models)
    done = rlsweep.run(*SUBMIT, *GATE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 stopped" in done.stdout
    assert "Trial 1 was stopped: entropy_collapse: health.min_entropy 100 was passed in 2 steps" in done.stdout
    assert rlsweep.rows("SELECT state, outcome, failure_class FROM attempt") == [("stopped", "entropy_collapse", None)]
    assert "stopped (entropy_collapse)" in rlsweep.run("status").stdout
    again = rlsweep.run(*SUBMIT, *GATE)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 to run; nothing is left to do" in again.stdout
    assert rlsweep.rows("SELECT COUNT(*) FROM attempt") == [(1,)]
