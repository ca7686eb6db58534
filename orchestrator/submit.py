"""Doing a sweep: from a file to trials that have run. The database decides what is left to do.

Submitting again is always safe: finished trials are not run again, started ones continue from their newest
checkpoint, and a changed file runs only what is new.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import psutil
from sqlalchemy import Engine

from db.errors import EnvironmentProblem
from db.reader import Reader, TrialRow
from db.records import PlannedTrial, SweepRecord
from db.states import TrialState
from db.store import PlanStore, Registration
from orchestrator.sweepfile.expand import ExpandedTrial
from orchestrator.sweepfile.identity import science, science_hash
from orchestrator.sweepfile.language import LoadedSweep
from orchestrator.sweepfile.problems import InvalidSweep, SpecProblem
from workers.provenance import is_dead

if TYPE_CHECKING:
    from orchestrator.launch import Launch


@dataclass(frozen=True)
class Artifacts:
    """The folder of everything that is a file: base models, checkpoints, logs."""

    root: Path

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def ray(self) -> Path:
        # One for each driver: the one that ends first deletes its own.
        return self.root / f"ray-{os.getpid()}"

    def trial(self, hash_of_science: str) -> Path:
        # The identity, not the trial's number: numbers start anew with every database.
        return self.root / "trials" / hash_of_science.replace(":", "-")[:19]

    def make(self) -> None:
        """Make the folder, or say that it cannot be written."""
        try:
            self.models.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise EnvironmentProblem(
                f"Cannot write to {self.root} ({error.strerror}); choose another folder with --artifacts."
            ) from error


def register(engine: Engine, loaded: LoadedSweep, trials: Sequence[ExpandedTrial]) -> Registration:
    """Record the sweep and its trials. Raises InvalidSweep if two grid points are the same trial."""
    planned = [_planned(trial) for trial in trials]
    _refuse_twins(planned, loaded)
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
    return PlanStore(engine).register(record, planned)


def remaining(engine: Engine, sweep_id: int) -> list[TrialRow]:
    """The trials that have not reached their last budget in this sweep, those of dead attempts included."""
    PlanStore(engine).declare_lost(sweep_id, is_dead=is_dead)
    rows = Reader(engine).trials(sweep_id)
    return [row for row in rows if row.state != TrialState.SUCCEEDED or row.share < 1]


def check_machine(trials: Sequence[ExpandedTrial]) -> None:
    """Refuse what cannot run here: an engine that is not installed, too little memory, too few CPUs."""
    if any(trial.spec.execution.engine == "vllm" for trial in trials):
        from workers.vllm_engine import installed_build

        installed_build()
    trials_at_a_time(trials, limit=None)


def trials_at_a_time(trials: Sequence[ExpandedTrial], *, limit: int | None) -> int:
    """How many trials this machine runs at a time. Raises EnvironmentProblem if not even one fits."""
    from orchestrator.launch import concurrency

    return concurrency(
        [trial.spec.execution for trial in trials],
        limit=limit,
        cpus=os.cpu_count() or 1,
        available_gb=psutil.virtual_memory().available / 2**30,
    )


def run(
    engine: Engine,
    *,
    sweep_id: int,
    trials: Sequence[TrialRow],
    specs: dict[int, ExpandedTrial],
    artifacts: Artifacts,
    at_a_time: int,
    watch: Callable[[threading.Event], None],
) -> bool:
    """Run trials on a local Ray until none is left; `watch` is called with an event that says when that is so.

    Returns whether it was interrupted. The first Ctrl-C asks the trials to save a checkpoint and stop; the second
    stops them at once.
    """
    from orchestrator import launch

    store = PlanStore(engine)
    launches = [
        launch.Launch(
            sweep_id=sweep_id,
            trial_id=row.trial_id,
            models_folder=str(artifacts.models),
            trial_folder=str(artifacts.trial(science_hash(specs[row.trial_id].spec))),
            database_url=engine.url.render_as_string(hide_password=False),
            execution=specs[row.trial_id].spec.execution,
        )
        for row in _longest_first(trials, specs)
    ]
    store.queue([row.trial_id for row in trials])
    artifacts.ray.mkdir(parents=True)
    interrupted = threading.Event()
    try:
        launch.start_ray(num_cpus=os.cpu_count() or 1)
        with _draining_on_interrupt(interrupted, lambda: store.request_drain(sweep_id)):
            _in_background(
                lambda: launch.run_trials(launches, max_concurrent=at_a_time, storage_folder=artifacts.ray), watch
            )
    finally:
        launch.stop_ray()
        shutil.rmtree(artifacts.ray)
        store.clear_drain(sweep_id)
        _end_what_was_given_up(engine, launches, interrupted=interrupted.is_set())
    return interrupted.is_set()


def _end_what_was_given_up(engine: Engine, launches: Sequence[Launch], *, interrupted: bool) -> None:
    """None of these trials runs any more: attempts without an end are lost, and trials without hope have failed."""
    from orchestrator.launch import MAX_RESTARTS, log_of

    store, reader = PlanStore(engine), Reader(engine)
    sweep_id = launches[0].sweep_id
    store.declare_lost(sweep_id, is_dead=is_dead)
    if interrupted:
        return
    states = {row.trial_id: row.state for row in reader.trials(sweep_id)}
    for launch in launches:
        if states[launch.trial_id] in (TrialState.QUEUED, TrialState.RECOVERING):
            store.fail(
                launch.trial_id,
                message=f"Its process ended without a word {MAX_RESTARTS + 1} times; see {log_of(launch).parent}.",
            )


def _in_background(work: Callable[[], None], watch: Callable[[threading.Event], None]) -> None:
    """Do `work` in a thread while this one watches; what `work` raises is raised here."""
    finished = threading.Event()
    raised: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            finished.set()

    thread = threading.Thread(target=body, name="ray-tune", daemon=True)
    thread.start()
    watch(finished)
    thread.join()
    if raised:
        raise raised[0]


@contextmanager
def _draining_on_interrupt(interrupted: threading.Event, drain: Callable[[], None]) -> Iterator[None]:
    """An interrupt sets the event and drains, from a thread, since the interrupted one may hold the database."""

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()
        threading.Thread(target=drain, name="drain").start()

    signals = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {number: signal.signal(number, on_interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _longest_first(trials: Sequence[TrialRow], specs: dict[int, ExpandedTrial]) -> list[TrialRow]:
    """Long trials start first, so that no core idles while the longest one, begun last, runs alone."""
    return sorted(trials, key=lambda row: -_work(specs[row.trial_id]))


def _work(trial: ExpandedTrial) -> float:
    """Proportional to the compute left, as far as it is known before the weights are; 0 for models not made here."""
    made = trial.spec.model.made
    if made is None:
        return 0.0
    return made.num_hidden_layers * made.hidden_size * (made.hidden_size + made.intermediate_size)


def _planned(trial: ExpandedTrial) -> PlannedTrial:
    spec = trial.spec
    return PlannedTrial(
        science_hash=science_hash(spec),
        science=science(spec),
        model=spec.model.name,
        data=spec.data.task,
        algorithm=spec.algorithm.name,
        seed=spec.seed,
        group_size=spec.algorithm.group_size,
        prompts_per_step=spec.algorithm.prompts_per_step,
        updates_per_step=spec.algorithm.updates_per_step,
        learning_rate=spec.optimizer.learning_rate,
        kl_coefficient=spec.algorithm.kl_coefficient,
        tau=None,
        axes=trial.axes,
        spec=spec.model_dump(mode="json"),
        budget_unit=spec.budget.unit,
        budget_last=spec.budget.last,
    )


def _refuse_twins(planned: Sequence[PlannedTrial], loaded: LoadedSweep) -> None:
    seen: dict[str, PlannedTrial] = {}
    for trial in planned:
        twin = seen.setdefault(trial.science_hash, trial)
        if twin is not trial:
            message = f"{trial.axes} and {twin.axes} are the same trial; take one of them out of the grid"
            raise InvalidSweep([SpecProblem(loaded.source.position(("axes", "grid")), ("axes", "grid"), message)])
