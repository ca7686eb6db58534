"""A small database for tests of what analysts read: two sweeps that share a trial, a failure, missing values."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from db.records import FitRecords, ModelRecord
from db.states import AttemptState
from db.store import FitStore, PlanStore, claim
from tests.records import HERE, SWEEP, evaluation, planned, step

STEPS = 4
DRAWS = bytes(range(16))


def save_a_fit(engine: Engine) -> None:
    """A fit of two parameters, of which the first has its draws."""
    fit = {
        "sweep_id": None, "rlsweep_version": "0.1.0", "scope": "inter-model", "x": "samples", "benchmark": "heldout",
        "protocol": "exact", "k_form": "saturating", "estimator": "ols-log", "settings": {}, "data_sha256": "f" * 64,
        "num_points": 8, "num_effective": 3.5, "num_sizes": 2, "num_runs": 2, "num_parameters": 4, "phi": None,
        "run_sd": None, "deviance": 0.1, "aicc": None, "r2": 0.9, "r2_size_means": 0.5, "status": "identified",
    }  # fmt: skip
    interval = {"num_params": None, "estimate": 0.2, "standard_error": 0.01, "low": 0.1, "high": 0.3,
                "interval_method": "bootstrap", "unit": "", "at_bound": False}  # fmt: skip
    parameters = [interval | {"name": "K_max", "draws": DRAWS}, interval | {"name": "N_0", "draws": None}]
    FitStore(engine).save(FitRecords(fit, parameters, [], [], [], []))


def fill(engine: Engine) -> dict[str, tuple[int, ...]]:
    """Fill an empty database; returns the trials of each sweep by name. The sweeps share the first trial."""
    store = PlanStore(engine)
    grid = store.register(replace(SWEEP, name="grid"), [planned(1), planned(2, model="large", tau=2.0)])
    other = store.register(replace(SWEEP, name="other"), [planned(1), planned(3, model="large")])
    for trial_id, sweep_id in [(grid.trial_ids[0], grid.sweep_id), (grid.trial_ids[1], grid.sweep_id)]:
        attempt = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=HERE)
        attempt.record_model(
            ModelRecord("m", 1_000_000, total_params=1_200_000, nominal_params=1e6, weights_sha256="0" * 64)
        )
        attempt.record(*(step(number) for number in range(1, STEPS + 1)))
        attempt.record(*(evaluation(at, at / 10) for at in range(STEPS + 1)))
        failed = trial_id == grid.trial_ids[1]
        if failed:
            attempt.end(AttemptState.FAILED, failure_class="oom", message='Out of "memory", at\nstep 4')
        else:
            attempt.end(AttemptState.SUCCEEDED)
    return {"grid": grid.trial_ids, "other": other.trial_ids}
