"""Trials that are interrupted and resumed in this process equal those that were not, whatever is trained and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db.states import AttemptState
from tests.attempts import first_trial

RECIPES = {
    "adapters": ["base.lora={rank: 2}", "base.loss={kl_coefficient: 0.01}"],
    "updates and epochs": [
        "updates_per_step=2",
        "base.epochs_per_step=2",
        "base.loss={kl_coefficient: 0.01, dual_clip: 3}",
    ],
    "falling learning rate": ["optimizer.schedule=cosine"],
    "leave one out": ["base.algorithm=rloo", "base.loss={kl_coefficient: 0.01}"],
    "drawn anew": ["base.algorithm=dapo", "base.loss={mask_truncated: false}"],
}


def measured(folder: Path, models: Path, sweep: Path, recipe: list[str], *, stops_after: tuple[int, ...]) -> list[Any]:
    """Everything measured of a trial that was stopped after as many steps of each attempt."""
    trial = first_trial(sweep, ["budgets.at=[4]", *recipe], folder=folder, models=models)
    for steps in stops_after:
        assert trial.attempt(stops_after=steps) is AttemptState.INTERRUPTED
    assert trial.attempt() is AttemptState.SUCCEEDED
    return trial.measured()


@pytest.fixture(scope="module")
def models(made_models: Path) -> Path:
    return made_models


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resumed_trial_equals_one_that_was_not_interrupted(
    recipe: str, models: Path, tiny_sweep: Path, tmp_path: Path
) -> None:
    whole = measured(tmp_path / "whole", models, tiny_sweep, RECIPES[recipe], stops_after=())
    resumed = measured(tmp_path / "resumed", models, tiny_sweep, RECIPES[recipe], stops_after=(1, 1))
    assert len(whole) == 4 + 5
    assert resumed == whole
