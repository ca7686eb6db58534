"""Scores that a file asks for and that trials which are done do not have are named, and never pass for computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from db.measurements import Measurements
from db.states import AttemptState
from db.store import claim
from orchestrator.planning.kinds import kinds_of
from orchestrator.planning.known import known_runs
from orchestrator.planning.plan import plan_sweep
from orchestrator.registration import register
from orchestrator.sweepfile.loading import load_sweep
from tests.records import HERE, evaluation, step
from workers.evaluation.score_names import benchmark_name, protocol_name
from workers.milestones import fewest_scores
from workers.spec import Evaluation

ONE = ("model=[small]", "seed=[1]", "budgets.at=[4, 8]")


def warnings(database: Engine, file: Path, *overrides: str) -> list[str]:
    """What `plan` says of missing scores."""
    loaded = load_sweep(file, [*ONE, *overrides])
    plan = plan_sweep(loaded, known=known_runs(Measurements(database), kinds_of(loaded.trials)), cpus=2)
    return [sentence for sentence in plan.warnings if "lack" in sentence]


@pytest.fixture
def file(database: Engine, tiny_sweep: Path) -> Path:
    """A sweep whose trial is done: eight steps, scored before the first and after each budget."""
    loaded = load_sweep(tiny_sweep, [*ONE, "evaluations=[{benchmark: heldout, at: budgets}]"])
    (spec,) = [trial.spec for trial in loaded.trials]
    (scored,) = spec.evaluations
    names = {"benchmark": benchmark_name(scored, num_problems=60), "protocol": protocol_name(scored)}
    registration = register(database, loaded)
    attempt = claim(
        database, trial_id=registration.trial_ids[0], sweep_id=registration.sweep_id, process=HERE
    )  # fmt: skip
    attempt.record(*(step(number) for number in range(1, 9)))
    attempt.record(*(evaluation(at, 0.5, problems=60, **names) for at in (0, 4, 8)))
    attempt.end(AttemptState.SUCCEEDED)
    return tiny_sweep


def test_a_file_that_asks_for_no_more_is_told_nothing(database: Engine, file: Path) -> None:
    assert warnings(database, file, "evaluations=[{benchmark: heldout, at: budgets}]") == []
    assert warnings(database, file, "evaluations=[{benchmark: heldout, at: budgets}]", "budgets.at=[8]") == []


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("evaluations=[{benchmark: heldout, at: every_step}]", "by answer-probability-v1, every step"),
        ("evaluations=[{benchmark: heldout, at: log_spaced}]", "by answer-probability-v1, log spaced"),
        ("evaluations=[{benchmark: heldout, method: sampled, samples: 2, at: budgets}]", "by sampled-n2-t1-v2"),
    ],
)
def test_other_evaluations_of_a_trial_that_is_done_are_named(
    database: Engine, file: Path, override: str, name: str
) -> None:
    (sentence,) = warnings(database, file, override)
    assert sentence.startswith(f"1 trial that is done lacks scores on heldout (60 problems) {name}")


def test_other_problems_are_other_scores(database: Engine, file: Path) -> None:
    budgets = "evaluations=[{benchmark: heldout, at: budgets}]"
    (sentence,) = warnings(database, file, budgets, "data.heldout_problems=30")
    assert "heldout (30 problems)" in sentence


def test_milestones_that_were_passed_unscored_are_missed(database: Engine, file: Path) -> None:
    assert warnings(database, file, "evaluations=[{benchmark: heldout, at: budgets}]", "budgets.at=[2, 4, 6, 8]")


def test_a_trial_that_is_still_to_run_lacks_nothing(database: Engine, file: Path) -> None:
    every = "evaluations=[{benchmark: heldout, at: every_step}]"
    assert warnings(database, file, every, "seed=[2]") == []
    assert warnings(database, file, every, "budgets.at=[16]") == []


@pytest.mark.parametrize(
    ("at", "steps", "fewest"), [("every_step", 8, 9), ("budgets", 8, 2), ("log_spaced", 1, 2), ("log_spaced", 12, 10)]
)
def test_the_fewest_scores_of_a_trajectory(at: str, steps: int, fewest: int) -> None:
    assert fewest_scores(Evaluation.model_validate({"at": at}), steps=steps) == fewest
