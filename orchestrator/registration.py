"""From the trials of a sweep file to rows in the store, and back: which of them are left to run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Engine

from db.reader import Reader, TrialRow
from db.records import PlannedTrial, SweepRecord
from db.states import TrialState
from db.store import PlanStore, Registration
from orchestrator.planned_execution import PlannedCost
from orchestrator.sweepfile.expand import ExpandedTrial
from orchestrator.sweepfile.identity import science
from orchestrator.sweepfile.loading import LoadedSweep
from workers.health import WATCHED, HealthGates
from workers.provenance import is_dead
from workers.spec import TrialSpec


def register(engine: Engine, loaded: LoadedSweep, costs: Sequence[PlannedCost] | None = None) -> Registration:
    """Record the sweep and its trials, with what each is planned to cost, in one transaction."""
    sweep = loaded.sweep
    record = SweepRecord(
        name=sweep.name,
        question=sweep.question,
        source=loaded.source.text,
        source_sha256=hashlib.sha256(loaded.source.text.encode()).hexdigest(),
        overrides=list(loaded.overrides),
        caveats=list(sweep.caveats),
        fit_settings=None if sweep.fit is None else sweep.fit.model_dump(by_alias=True),
    )
    known = costs or [PlannedCost(None, None)] * len(loaded.trials)
    trials = [_planned(trial, cost) for trial, cost in zip(loaded.trials, known, strict=True)]
    return PlanStore(engine).register(record, trials)


def all_succeeded(engine: Engine, trials: Sequence[ExpandedTrial]) -> bool:
    """Whether every trial has succeeded before, in whichever sweep; read before anything is written."""
    return Reader(engine).num_succeeded([trial.science_hash for trial in trials]) == len(trials)


def remaining(engine: Engine, sweep_id: int) -> list[TrialRow]:
    """The trials that have not reached their last budget in this sweep, those of dead attempts included.

    One that a health gate ended is left out, unless the gates have been moved and let it go on, and so is one that was
    cancelled. Those that are paused are there: they may be resumed while the others run.
    """
    PlanStore(engine).declare_lost(sweep_id, is_dead=is_dead)
    reader = Reader(engine)
    rows = [row for row in reader.trials(sweep_id) if row.state != TrialState.SUCCEEDED or row.share != 1]
    rows = [row for row in rows if row.state != TrialState.CANCELLED]
    return [row for row in rows if row.state != TrialState.STOPPED or not _is_stopped_by_its_gates(reader, row)]


def _is_stopped_by_its_gates(reader: Reader, row: TrialRow) -> bool:
    spec = TrialSpec.model_validate(reader.spec(sweep_id=row.sweep_id, trial_id=row.trial_id))
    steps = reader.live_steps(row.trial_id, WATCHED)
    return HealthGates.after(spec.health, steps).outcome is not None


def _planned(trial: ExpandedTrial, cost: PlannedCost) -> PlannedTrial:
    spec = trial.spec
    return PlannedTrial(
        science_hash=trial.science_hash,
        science=science(spec),
        model=spec.model.name,
        data=spec.data.name,
        algorithm=spec.algorithm.name,
        seed=spec.seed,
        group_size=spec.algorithm.group_size,
        prompts_per_step=spec.algorithm.prompts_per_step,
        updates_per_step=spec.algorithm.updates_per_step,
        learning_rate=spec.optimizer.learning_rate,
        kl_coefficient=spec.algorithm.kl_coefficient,
        tau=None if spec.data.task else float(spec.data.tau),
        axes=trial.axes,
        spec=spec.model_dump(mode="json"),
        budget_unit=spec.budget.unit,
        budget_last=spec.budget.last,
        planned_flops=cost.flops,
        planned_gpu_hours=cost.gpu_hours,
    )
