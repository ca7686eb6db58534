"""The state of a database's sweeps as Prometheus metrics: read from the database at each scrape, whoever runs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from db.connection.outage import is_outage
from db.errors import DatabaseError
from db.progress import ProgressReader, SweepProgress
from db.reader import Reader, SweepRow, TrialRow
from db.states import FINAL_TRIAL_STATES, TrialState
from db.tables import Attempt, Sweep

_OF_SWEEP = ("sweep",)
_OF_TRIAL = ("sweep", "trial", "model")


class SweepMetrics(Collector):
    """Every sweep that is not over, or only those that are named. A database that is away is `rlsweep_up 0`."""

    def __init__(self, engine: Engine, names: Sequence[str] = ()) -> None:
        self._engine = engine
        self._names = frozenset(names)
        # Kept from scrape to scrape: attempts that have ended are summed up once.
        self._progress = cache(lambda sweep_id: ProgressReader(engine, sweep_id))

    def collect(self) -> Iterable[Metric]:
        try:
            metrics = list(self._read())
            up = 1.0
        except (SQLAlchemyError, DatabaseError) as error:
            if not is_outage(error):
                raise
            metrics, up = [], 0.0
        yield GaugeMetricFamily("rlsweep_up", "Whether the database answers.", value=up)
        yield from metrics

    def _read(self) -> Iterator[Metric]:
        reader = Reader(self._engine)
        sweeps = [sweep for sweep in reader.sweeps() if sweep.name in self._names or self._goes_on(sweep)]
        progress = {sweep.name: self._progress(sweep.id).read() for sweep in sweeps}
        yield _trials(sweeps)
        yield self._failures(sweeps)
        yield from _totals(progress)
        yield from _running({sweep.name: reader.trials(sweep.id) for sweep in sweeps})

    def _goes_on(self, sweep: SweepRow) -> bool:
        return not self._names and any(state not in FINAL_TRIAL_STATES for state in sweep.trials)

    def _failures(self, sweeps: Sequence[SweepRow]) -> Metric:
        metric = CounterMetricFamily(
            "rlsweep_failed_attempts", "Attempts that ended without a result, by class.", labels=("sweep", "class")
        )
        counts = (
            select(Sweep.name, Attempt.failure_class, func.count())
            .join(Sweep, Sweep.id == Attempt.sweep_id)
            .where(Sweep.id.in_([sweep.id for sweep in sweeps]), Attempt.failure_class.is_not(None))
            .group_by(Sweep.name, Attempt.failure_class)
        )
        with self._engine.connect() as connection:
            for name, failure_class, count in connection.execute(counts):
                metric.add_metric((name, str(failure_class)), count)
        return metric


def _trials(sweeps: Sequence[SweepRow]) -> Metric:
    metric = GaugeMetricFamily("rlsweep_trials", "Trials by state.", labels=("sweep", "state"))
    for sweep in sweeps:
        for state in TrialState:
            metric.add_metric((sweep.name, state), sweep.trials.get(state, 0))
    return metric


def _totals(progress: dict[str, SweepProgress]) -> Iterator[Metric]:
    flops = CounterMetricFamily("rlsweep_paid_flops", "Model FLOPs paid, lost steps included.", labels=_OF_SWEEP)
    hours = CounterMetricFamily("rlsweep_paid_gpu_seconds", "GPU-seconds paid.", labels=_OF_SWEEP)
    gpus = GaugeMetricFamily("rlsweep_gpus", "GPUs of attempts that run.", labels=_OF_SWEEP)
    driven = GaugeMetricFamily("rlsweep_driver_up", "Whether a driver launches trials.", labels=_OF_SWEEP)
    tokens = GaugeMetricFamily(
        "rlsweep_completion_tokens_per_second", "Pace of all trials that run, together.", labels=_OF_SWEEP
    )
    planned = GaugeMetricFamily("rlsweep_planned_flops", "Model FLOPs that the plan reckoned.", labels=_OF_SWEEP)
    for name, each in progress.items():
        flops.add_metric((name,), each.spent.flops)
        hours.add_metric((name,), each.spent.gpu_hours * 3600)
        gpus.add_metric((name,), each.num_gpus)
        driven.add_metric((name,), each.driver.is_alive)
        tokens.add_metric((name,), each.pace.completion_tokens_per_second or 0.0)
        if each.planned_flops is not None:
            planned.add_metric((name,), each.planned_flops)
    yield from (flops, hours, gpus, driven, tokens, planned)


def _running(trials: dict[str, list[TrialRow]]) -> Iterator[Metric]:
    """Of trials that run alone: the series of a database would grow without end."""
    step = GaugeMetricFamily("rlsweep_trial_step", "Last step of a trial that runs.", labels=_OF_TRIAL)
    loss = GaugeMetricFamily("rlsweep_trial_test_loss", "Last test loss of a trial that runs.", labels=_OF_TRIAL)
    share = GaugeMetricFamily("rlsweep_trial_budget_ratio", "Share of its budget that is used.", labels=_OF_TRIAL)
    for name, rows in trials.items():
        for row in rows:
            if row.state != TrialState.RUNNING:
                continue
            labels = (name, str(row.trial_id), row.model)
            step.add_metric(labels, row.step)
            if row.last_loss is not None:
                loss.add_metric(labels, row.last_loss)
            if row.share is not None:
                share.add_metric(labels, row.share)
    yield from (step, loss, share)
