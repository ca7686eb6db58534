"""A trial that a health gate ends: its outcome is named, its checkpoint kept, and it is not trained further."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.errors import UnhealthyTrial
from db.states import AttemptState
from orchestrator.registration import remaining
from tests.attempts import first_trial


def test_a_gate_ends_a_trial_and_a_second_attempt_at_once(tiny_sweep: Path, tmp_path: Path, made_models: Path) -> None:
    gate = "base.health={min_entropy: 100, patience_steps: 3}"
    trial = first_trial(tiny_sweep, [gate], folder=tmp_path, models=made_models)
    for _ in range(2):
        with pytest.raises(UnhealthyTrial, match=r"health\.min_entropy 100 was passed in 3 steps"):
            trial.attempt()
    attempts = trial.reader.attempts(trial.trial_id)
    assert [
        (each["state"], each["outcome"], each["failure_class"], each["resumed_from_step"]) for each in attempts
    ] == [
        ("stopped", "entropy_collapse", None, 0),
        ("stopped", "entropy_collapse", None, 3),
    ]
    assert [row["step"] for row in trial.reader.live_steps(trial.trial_id, ["step"])] == [1, 2, 3]
    assert trial.reader.live_checkpoints(trial.trial_id)[0].step == 3


def test_a_stopped_trial_is_left_alone_until_its_gate_is_moved(
    tiny_sweep: Path, tmp_path: Path, made_models: Path
) -> None:
    gate = "base.health={min_entropy: 100, patience_steps: 3}"
    trial = first_trial(tiny_sweep, [gate], folder=tmp_path, models=made_models)
    with pytest.raises(UnhealthyTrial):
        trial.attempt()
    assert remaining(trial.engine, trial.sweep_id) == []
    moved = first_trial(tiny_sweep, ["base.health={min_entropy: 0.001}"], folder=tmp_path, models=made_models)
    assert moved.trial_id == trial.trial_id
    assert [row.state for row in remaining(moved.engine, moved.sweep_id)] == ["stopped"]
    assert moved.attempt() is AttemptState.SUCCEEDED
    assert [row["step"] for row in moved.reader.live_steps(moved.trial_id, ["step"])] == [*range(1, 9)]
