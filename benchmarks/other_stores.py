"""Three stores that do the same work through their own Python interfaces: rlsweep's, MLflow's and Optuna's.

The work is a trial that writes its steps one by one, or thirty at a time, and two questions: how are all trials, and
what was the curve of one. MLflow keeps every number of a step as a row of its own, by the name of the number. Optuna
keeps one number a step, whatever the trial measured, and has no call for many at once.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from pathlib import Path

from sqlalchemy import URL, Engine

from db.reader import Reader
from db.records import EvaluationRecord, StepRecord
from db.store import AttemptStore, PlanStore, claim
from tests.records import HERE, SWEEP, evaluation, planned, step

_NUMBERS = {name: float(value) for name, value in vars(step(1)).items() if isinstance(value, int | float)}


class MeasuredStore(ABC):
    """What every store is asked to do. Trials are counted from 0, steps from 1."""

    name: str
    numbers_a_step: int
    trial_at_once = True

    @abstractmethod
    def start(self, trials: int) -> None:
        """Make so many trials."""

    @abstractmethod
    def write(self, trial: int, steps: range) -> None:
        """Write these steps of a trial, and a score after the last, as one call does in this program."""

    @abstractmethod
    def status(self) -> int:
        """Ask how all trials are; returns how many there are."""

    @abstractmethod
    def curve(self, trial: int) -> int:
        """Ask for the scores of a trial; returns how many there are."""


class Rlsweep(MeasuredStore):
    name = "rlsweep"
    numbers_a_step = len(_NUMBERS)

    def __init__(self, engine: Engine) -> None:
        self._engine, self._reader = engine, Reader(engine)
        self._attempts: list[AttemptStore] = []
        self._sweep_id = 0

    def start(self, trials: int) -> None:
        sweep = PlanStore(self._engine).register(SWEEP, [planned(i) for i in range(trials)])
        self._sweep_id = sweep.sweep_id
        self._attempts = [
            claim(self._engine, trial_id=each, sweep_id=sweep.sweep_id, process=HERE) for each in sweep.trial_ids
        ]

    def write(self, trial: int, steps: range) -> None:
        records: list[StepRecord | EvaluationRecord] = [step(number) for number in steps]
        self._attempts[trial].record(*records, evaluation(steps[-1], 0.5))

    def status(self) -> int:
        return len(self._reader.trials(self._sweep_id))

    def curve(self, trial: int) -> int:
        return len(self._reader.curve([self._attempts[trial].trial_id]))


class Mlflow(MeasuredStore):
    name = "MLflow"
    numbers_a_step = len(_NUMBERS)

    def __init__(self, url: URL, artifacts: Path) -> None:
        # Its migrations report themselves at level INFO, and set up logging as they go.
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        self._store = SqlAlchemyStore(url.render_as_string(hide_password=False), str(artifacts))
        self._experiment = self._store.create_experiment("study")
        self._runs: list[str] = []

    def start(self, trials: int) -> None:
        self._runs = [
            self._store.create_run(self._experiment, "user", 0, [], f"trial-{i}").info.run_id for i in range(trials)
        ]

    def write(self, trial: int, steps: range) -> None:
        from mlflow.entities import Metric

        numbers = [Metric(name, value, number, number) for number in steps for name, value in _NUMBERS.items()]
        score = Metric("score", 0.5, steps[-1], steps[-1])
        self._store.log_batch(self._runs[trial], [*numbers, score], [], [])

    def status(self) -> int:
        from mlflow.entities import ViewType

        return len(self._store.search_runs([self._experiment], "", ViewType.ACTIVE_ONLY, max_results=50_000))

    def curve(self, trial: int) -> int:
        return len(self._store.get_metric_history(self._runs[trial], "score"))


class Optuna(MeasuredStore):
    name = "Optuna"
    numbers_a_step = 1
    trial_at_once = False

    def __init__(self, url: URL) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = optuna.storages.RDBStorage(url.render_as_string(hide_password=False))
        self._study = self._storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], "study")
        self._trials: list[int] = []

    def start(self, trials: int) -> None:
        self._trials = [self._storage.create_new_trial(self._study) for _ in range(trials)]

    def write(self, trial: int, steps: range) -> None:
        for number in steps:
            self._storage.set_trial_intermediate_value(self._trials[trial], number, 0.5)

    def status(self) -> int:
        return len(self._storage.get_all_trials(self._study))

    def curve(self, trial: int) -> int:
        return len(self._storage.get_trial(self._trials[trial]).intermediate_values)
