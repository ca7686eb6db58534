"""What the process of an attempt finds in its environment."""

from __future__ import annotations

import pytest

from orchestrator.launching.attempt_process import Launch, environment_of
from workers.spec import Execution


def launched(**execution: object) -> dict[str, str]:
    launch = Launch(
        sweep_id=1, trial_id=1, models_folder="m", trial_folder="t", checkpoints="c",
        execution=Execution.model_validate(execution),
    )  # fmt: skip
    return environment_of(launch)


def test_a_trial_without_gpus_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert launched()["CUDA_VISIBLE_DEVICES"] == ""
    assert launched(gpus=1)["CUDA_VISIBLE_DEVICES"] == "0,1", "as Ray has set it"
