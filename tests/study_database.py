"""A database that holds the study of `tests.study_data`, written through the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from operator import eq

from sqlalchemy import Engine, select

from db.records import (
    CheckpointRecord,
    DataSetRecord,
    FitRecords,
    ModelRecord,
    PlannedTrial,
    Process,
    Provenance,
    ResumePoint,
    SweepRecord,
)
from db.states import AttemptState
from db.store import FitStore, PlanStore, claim
from db.store.imports import ImportStore
from db.tables import Sweep
from db.views import learning_curve
from tests.study_data import (
    BENCHMARK,
    HELD_OUT,
    LARGE,
    LAST_STEP,
    PEAK_FLOPS,
    PROMPTS,
    PROTOCOL,
    STUDY,
    Part,
    Run,
    Size,
)


def fill(engine: Engine) -> None:
    """Write the study into an empty database."""
    done: dict[Run, int] = {}
    for name, runs in STUDY.sweeps.items():
        source = f"name: {name}\n"
        record = SweepRecord(name, f"What does {name} say?", source, "0" * 64, [], [], {"scope": "inter-model"})
        registered = PlanStore(engine).register(record, [_planned(run) for run in runs])
        for run, trial_id in zip(runs, registered.trial_ids, strict=True):
            if run not in done:
                _write_run(engine, run, trial_id=trial_id, sweep_id=registered.sweep_id)
            done[run] = trial_id
    ImportStore(engine).save(STUDY.imported_file, sweep="curves", runs=STUDY.imported)
    _write_fits(engine)


def _planned(run: Run) -> PlannedTrial:
    told = {"model": run.size.name, "seed": run.seed, "tau": run.tau, "group_size": run.group_size}
    return PlannedTrial(
        science_hash="v1:" + ":".join(map(str, told.values())), science=told, model=run.size.name, data="math",
        algorithm="grpo", seed=run.seed, group_size=run.group_size, prompts_per_step=PROMPTS, updates_per_step=4,
        learning_rate=1e-6, kl_coefficient=0.001, tau=run.tau, axes=told, spec=told, budget_unit="steps",
        budget_last=float(LAST_STEP),
    )  # fmt: skip


def _write_run(engine: Engine, run: Run, *, trial_id: int, sweep_id: int) -> None:
    for number, part in enumerate(run.parts, start=1):
        process = Process(part.host, 1000 * trial_id + number, datetime(2026, 1, 2, tzinfo=UTC))
        attempt = claim(engine, trial_id=trial_id, sweep_id=sweep_id, process=process)
        attempt.record(_provenance(run, part), _model(run.size), _training_data(run), HELD_OUT)
        attempt.record(ResumePoint(part.resumed_from), *part.steps, *part.evaluations)
        if part.steps and part.steps[-1].step >= 4:
            kept = f"/checkpoints/{trial_id}/{number}"
            attempt.record(CheckpointRecord(4, kept, 10**9, "d" * 64, is_milestone=False))
        if part.end is not None and part.end.state is AttemptState.LOST:
            PlanStore(engine).declare_lost(sweep_id, is_dead=partial(eq, process))
        elif part.end is not None:
            attempt.record(part.end)


def _provenance(run: Run, part: Part) -> Provenance:
    return Provenance(
        execution={"identity_version": 1, "engine": "vllm"}, execution_hash="v1:" + "c" * 64,
        engine="vllm" if part.has_engine else "transformers", device="H100", num_gpus=run.size.num_gpus,
        gpu_peak_flops=PEAK_FLOPS, num_cpus=64, memory_bytes=10**12, git_revision=part.git_revision,
        git_dirty=part.git_dirty, rlsweep_version="0.1.0",
        python_version="3.11.9", torch_version="2.11.0", transformers_version="5.10.4", trl_version="1.16.0",
        vllm_version="0.31.0" if part.has_engine else None, ray_version="2.60.0",
    )  # fmt: skip


def _model(size: Size) -> ModelRecord:
    return ModelRecord(
        size.name, size.num_params, total_params=size.num_params + 10**8, nominal_params=float(size.num_params),
        family="qwen", variant="base", source=f"org/{size.name}", revision="main",
        weights_sha256=f"{size.num_params:064x}",
    )  # fmt: skip


def _training_data(run: Run) -> DataSetRecord:
    unique = None if run.tau is None else int(PROMPTS * LAST_STEP / run.tau)
    each = tuple(f"{number:064x}" for number in range(unique or 0))
    sources = ("math__gsm8k",) * len(each)
    return DataSetRecord(
        "math",
        None,
        f"{unique or 0:064x}",
        unique,
        unique_prompts=unique,
        problem_sha256s=each,
        problem_sources=sources,
    )


def _write_fits(engine: Engine) -> None:
    """A fit over samples that has a warning and forecasts, and one over FLOPs without a law."""
    of_sizes = (learning_curve.c.tau.is_(None)) & (learning_curve.c.origin == "native") & (learning_curve.c.step > 0)
    with engine.connect() as connection:
        sweep_id = connection.scalar(select(Sweep.id).where(Sweep.name == "sizes"))
        points = connection.execute(select(learning_curve.c.evaluation_id, learning_curve.c.step).where(of_sizes)).all()
    store = FitStore(engine)
    store.save(_fit("samples", sweep_id, [(row.evaluation_id, row.step) for row in points], with_law=True))
    store.save(_fit("flops", None, [], with_law=False))


def _fit(x: str, sweep_id: int | None, points: Sequence[tuple[int, int]], *, with_law: bool) -> FitRecords:
    fit = {
        "sweep_id": sweep_id, "rlsweep_version": "0.1.0", "scope": "inter-model", "x": x, "benchmark": BENCHMARK,
        "protocol": PROTOCOL, "k_form": "saturating" if with_law else "free", "estimator": "ols-log",
        "settings": {"x": x}, "data_sha256": "f" * 64, "num_points": 30, "num_effective": 24.5, "num_sizes": 3,
        "num_runs": 7, "num_parameters": 9, "phi": 1.1 if with_law else None, "run_sd": 0.02, "deviance": 12.5,
        "aicc": -40.0 if with_law else None, "r2": 0.96, "r2_size_means": 0.3,
        "status": "identified" if with_law else "free_slopes_only",
    }  # fmt: skip
    unsure = {"standard_error": 0.01, "interval_method": "wild bootstrap", "at_bound": False}
    parameters = [
        {"name": "K_max", "num_params": None, "estimate": 0.25, "low": 0.2, "high": 0.3, "unit": "", **unsure},
        {"name": "N_0", "num_params": None, "estimate": 1e9, "low": 5e8, "high": 2e9, "unit": "parameters", **unsure},
    ]
    holdout = {"num_params": LARGE.num_params, "prefix_share": None, "at_x": None, "low": 0.1, "high": 0.3}
    forecasts = [
        holdout | {"mode": "zero_shot", "quantity": "k", "predicted": 0.2, "actual": 0.25,
                   "actual_standard_error": 0.01, "relative_error": -0.2, "covered": True},
        holdout | {"mode": "in_sample", "quantity": "k", "predicted": 0.1, "actual": 0.25,
                   "actual_standard_error": 0.01, "relative_error": -0.6, "covered": False},
    ]  # fmt: skip
    roles = [
        {"evaluation_id": number, "fitted_loss": None, "residual": None}
        | ({"role": "train", "weight": 1.0, "reason": None} if step > 1 else
           {"role": "outside_window", "weight": None, "reason": "before the window"})
        for number, step in points
    ]  # fmt: skip
    forms = [
        {"rank": 1, "form": "saturating", "num_parameters": 2, "rss": 0.1, "aicc": -40.0, "delta_aicc": 0.0,
         "akaike_weight": 0.7, "holdout_error": 0.2},
    ]  # fmt: skip
    checks = [
        {"code": "F01", "severity": "ok", "value": 1.0, "threshold": 2.0, "num_params": None,
         "message": "The residuals are as large as the noise."},
        {"code": "F05", "severity": "warning", "value": 0.5, "threshold": 2.0,
         "num_params": LARGE.num_params, "message": "The order of the two largest sizes is not established."},
    ]  # fmt: skip
    if not with_law:
        return FitRecords(fit, [], [], [], [], checks[:1])
    return FitRecords(fit, parameters, roles, forecasts, forms, checks)
