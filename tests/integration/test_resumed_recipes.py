"""Trials that are interrupted and resumed in this process equal those that were not, whatever is trained and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db.database import open_database, resolve_url
from db.reader import Reader
from db.states import AttemptState
from db.store import claim
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from workers.provenance import this_process
from workers.trial import Folders, run_trial

MEASURED = ("step", "prompt_tokens", "completion_tokens", "cumulative_samples", "cumulative_flops", "loss", "reward",
            "kl", "entropy", "gradient_norm", "learning_rate")  # fmt: skip

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


def trial(folder: Path, models: Path, sweep: Path, overrides: list[str], *, stops_at: tuple[int, ...]) -> list[Any]:
    """Everything measured of the steps of a trial that was stopped after as many steps of each attempt."""
    folder.mkdir()
    engine = open_database(resolve_url(str(folder / "rlsweep.db")))
    loaded = load_sweep(sweep, ["model=[small]", "seed=[1]", "budgets.at=[4]", *overrides])
    registration = register(engine, loaded)
    trial_id, reader = registration.trial_ids[0], Reader(engine)
    for steps in (*stops_at, 0):
        seen: list[int] = []
        store = claim(engine, trial_id=trial_id, sweep_id=registration.sweep_id, process=this_process())
        outcome = run_trial(
            loaded.trials[0].spec,
            store=store,
            reader=reader,
            folders=Folders(models, folder / "trial"),
            is_stopping=lambda seen=seen, steps=steps: seen.append(1) or len(seen) == steps,
            on_loss=lambda failure, message: None,
        )
        store.end(outcome)
    assert outcome is AttemptState.SUCCEEDED
    rows = [tuple(row.values()) for row in reader.live_steps(trial_id, MEASURED)]
    scores = [(row["step"], row["score"]) for row in reader.curve([trial_id])]
    engine.dispose()
    return rows + scores


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resumed_trial_equals_one_that_was_not_interrupted(
    recipe: str, models: Path, tiny_sweep: Path, tmp_path: Path
) -> None:
    whole = trial(tmp_path / "whole", models, tiny_sweep, RECIPES[recipe], stops_at=())
    resumed = trial(tmp_path / "resumed", models, tiny_sweep, RECIPES[recipe], stops_at=(1, 1))
    assert len(whole) == 4 + 5
    assert resumed == whole
