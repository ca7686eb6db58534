"""A small study whose answers can be worked out by hand: seven trials, some of which went wrong.

A step costs 64 prompts, 6,656 tokens, 1e19 FLOPs and half a second; a budget is two steps.

* `single`, `reused`: the same run at tau = 1 and tau = 5, both done. `single` is also scored on gsm8k, at its end.
* `alone`: tau = 5 with another seed, so it has no twin. Ran out of memory in step 2, and took it again from step 1.
* `elsewhere`: as `single`, on other data.
* `larger`: as `single` with groups of 16; lost after step 1.
* `third`: as `single` with another seed.
* `waiting`: planned, never run.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from db.records import CheckpointRecord, DataSetRecord, FitRecords, ModelRecord
from db.states import AttemptState
from db.store import AttemptStore, FitStore, PlanStore, claim
from tests.contract.attempt_records import STORY
from tests.records import HERE, SWEEP, evaluation, planned, step

TRIALS = {
    "single": planned(1, tau=1.0, budget_last=2.0),
    "reused": planned(2, seed=1, tau=5.0, budget_last=2.0),
    "alone": planned(3, tau=5.0, budget_last=2.0),
    "elsewhere": planned(4, seed=1, tau=1.0, budget_last=2.0, data="other"),
    "larger": planned(5, seed=1, tau=1.0, budget_last=2.0, group_size=16),
    "third": planned(6, tau=1.0, budget_last=2.0),
    "waiting": planned(7, tau=1.0, budget_last=2.0),
}
MODEL = ModelRecord(
    "m", 10, 12, nominal_params=11.0, family="f", variant="base", weights_sha256="a" * 64, warm_up_score=0.2
)
# A hundred prompts, two of them the same.
DATA = DataSetRecord(
    "d", None, "c" * 64, 100, unique_prompts=99, rows_read=120, near_duplicates_dropped=15, too_long_dropped=5,
    problem_sha256s=tuple(f"{number:064x}" for number in range(100)),
    problem_sources=("math__gsm8k",) * 60 + ("logic__zebra_puzzle",) * 40,
)  # fmt: skip
FIT: dict[str, Any] = {
    "rlsweep_version": "0.1.0", "scope": "inter-model", "x": "samples", "benchmark": "heldout", "protocol": "exact",
    "k_form": "free", "estimator": "ols-log", "settings": {"draws": 10}, "data_sha256": "a" * 64, "num_points": 4,
    "num_effective": 3.5, "num_sizes": 2, "num_runs": 2, "num_parameters": 4, "phi": None, "run_sd": None,
    "deviance": 0.1, "aicc": -5.0, "r2": 0.9, "r2_size_means": 0.8, "status": "identified",
}  # fmt: skip


def fill(database: Engine) -> dict[str, int]:
    """Write the study; returns the trials' numbers by the names above."""
    sweep = PlanStore(database).register(SWEEP, list(TRIALS.values()))
    numbers = dict(zip(TRIALS, sweep.trial_ids, strict=True))

    def start(name: str) -> AttemptStore:
        store = claim(database, trial_id=numbers[name], sweep_id=sweep.sweep_id, process=HERE)
        store.record(*STORY[:2], MODEL, STORY[3], DATA)
        return store

    for name, scores in {
        "single": (0.2, 0.4, 0.5), "reused": (0.2, 0.5, 0.45), "elsewhere": (0.2, 0.3, 0.7), "third": (0.3, 0.5, 0.6),
    }.items():  # fmt: skip
        store = start(name)
        run(store, scores)
        if name == "single":
            store.record(evaluation(2, 0.25, benchmark="gsm8k", problems=4, samples_per_problem=2, successes=2))
        store.end(AttemptState.SUCCEEDED)
    _fail(start("alone"))
    run(start("larger"), (0.2, 0.3))
    PlanStore(database).declare_lost(sweep.sweep_id, is_dead=lambda _: True)
    run(start("alone"), (0.4,), after=1)
    return numbers


def run(store: AttemptStore, scores: tuple[float, ...], *, after: int | None = None) -> None:
    """Steps with their scores; the first score is of step 0, or of the first step after `after`."""
    first = 0 if after is None else after + 1
    store.resume_from(after or 0)
    for number, score in enumerate(scores, start=first):
        store.record(*([step(number)] if number else []), evaluation(number, score))


def _fail(store: AttemptStore) -> None:
    run(store, (0.2, 0.3, 0.1))
    store.record_checkpoint(CheckpointRecord(1, "/c1", 10, "e" * 64, is_milestone=True))
    store.end(AttemptState.FAILED, failure_class="gpu_memory", message="out of memory", traceback="Traceback")


def save_fit(database: Engine, sweep_id: int) -> int:
    """A fit with a part of every kind; returns its number."""
    interval = {"standard_error": 0.1, "interval_method": "bootstrap", "unit": "", "at_bound": False, "draws": None}
    parameters = [
        {"name": "K_max", "num_params": None, "estimate": 2.0, "low": 1.5, "high": 2.5} | interval,
        {"name": "N_0", "num_params": None, "estimate": 1e9, "low": None, "high": None} | interval,
        {"name": "K_max", "num_params": 10, "estimate": 7.0, "low": 6.0, "high": 8.0} | interval,
    ]
    holdouts = [
        {"mode": mode, "quantity": "k", "num_params": None, "prefix_share": None, "at_x": None,
         "predicted": 1.0, "low": 0.5, "high": 1.5, "actual": 1.2, "actual_standard_error": None,
         "relative_error": error, "covered": True}
        for mode, error in [("in_sample", 0.9), ("zero_shot", -0.3), ("kshot(2)", 0.2)]
    ]  # fmt: skip
    checks = [
        {"code": "R2", "severity": severity, "value": None, "threshold": None,
         "num_params": None, "message": "."}
        for severity in ["ok", "warning", "note", "warning"]
    ]  # fmt: skip
    records = FitRecords(FIT | {"sweep_id": sweep_id}, parameters, [], holdouts, [], checks)
    return FitStore(database).save(records)
