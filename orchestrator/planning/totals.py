"""What all trials of a sweep come to, the whole of it and what is left to do.

Sums of intervals take it that whatever makes one trial slower than expected makes all of them slower.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

from orchestrator.planning.hours import Interval, Job, wall_time
from orchestrator.planning.kind_plan import Means, PhaseFlops
from orchestrator.planning.trial_plan import PlannedKind, TrialPlan
from orchestrator.sweepfile.running import Limits

# What a submit takes beside its trials: Ray, the first process until it has claimed its trial, Ray again. Judged from
# 17 to 30 seconds on two cores: attempts record their time from the claim on, so the database cannot tell.
STARTING_SECONDS = 25.0


@dataclass(frozen=True)
class Totals:
    """Sums over a sweep's trials. What is `left` is without what the database has, at what a trial is planned to take.

    GPU-hours are of the trials on GPUs, None where there are none. `wall_hours` are of what is left, None where
    the time of `trials_of_unknown_time` of its trials is not known. `gpus_at_once` is how many GPUs are busy where
    as many trials run as may. `cost` is in the currency of `limits.price_per_gpu_hour`, None without one.
    `sharing_saves_flops` is what a run of its own for each budget would compute on top, `separate_costs_flops` what
    is computed on top because the file asks for such runs. `cached_flops` were recorded, and need not be computed
    again. `peak_bytes` are the checkpoints at the worst moment.
    """

    trials: int
    new: int
    partly: int
    done: int
    trials_on_cpus: int
    trials_of_unknown_time: int
    flops: PhaseFlops
    flops_left: float
    cached_flops: float
    gpu_hours: Interval | None
    gpu_hours_left: Interval | None
    cost: Interval | None
    cost_left: Interval | None
    most_gpus: float
    gpus_at_once: float
    wall_hours: Interval | None
    kept_bytes: float
    peak_bytes: float
    sharing_saves_flops: float
    separate_costs_flops: float


def add_up(kinds: Sequence[PlannedKind], trials: Sequence[TrialPlan], *, limits: Limits, means: Means) -> Totals:
    """Sums over `trials`, which are those of `kinds` in the order in which they start."""
    states = [trial.cached for trial in trials]
    hours = _sum_of_hours(kinds, lambda kind: len(kind.trials))
    hours_left = _sum_of_hours(kinds, lambda kind: kind.left_share)
    left = [trial for trial in trials if trial.cached != "done"]
    price = limits.price_per_gpu_hour
    return Totals(
        trials=len(trials),
        new=states.count("new"),
        partly=states.count("partly"),
        done=states.count("done"),
        trials_on_cpus=sum(trial.plan.on_gpus is None for trial in trials),
        trials_of_unknown_time=sum(trial.plan.wall_hours is None for trial in left),
        flops=_sum_of_flops(kinds),
        flops_left=sum(kind.plan.flops.total * kind.left_share for kind in kinds),
        cached_flops=sum(trial.done_flops for trial in trials),
        gpu_hours=hours,
        gpu_hours_left=hours_left,
        cost=None if price is None or hours is None else hours.times(price),
        cost_left=None if price is None or hours_left is None else hours_left.times(price),
        most_gpus=max(kind.plan.gpus for kind in kinds),
        gpus_at_once=_gpus_at_once(left, limits, means),
        wall_hours=_wall_hours(left, limits, means),
        kept_bytes=sum(kind.plan.storage.kept_bytes * len(kind.trials) for kind in kinds),
        peak_bytes=_peak_bytes(trials, limits),
        sharing_saves_flops=sum(kind.plan.cost.saved_flops * len(kind.trials) for kind in kinds),
        separate_costs_flops=_separate_costs(trials),
    )


def _sum_of_flops(kinds: Iterable[PlannedKind]) -> PhaseFlops:
    weighed = [(kind.plan.flops, len(kind.trials)) for kind in kinds]
    names = [each.name for each in fields(PhaseFlops)]
    return PhaseFlops(**{name: sum(getattr(flops, name) * number for flops, number in weighed) for name in names})


def _sum_of_hours(kinds: Iterable[PlannedKind], number: Callable[[PlannedKind], float]) -> Interval | None:
    total = None
    for kind in kinds:
        if kind.plan.gpu_hours is not None:
            hours = kind.plan.gpu_hours.times(number(kind))
            total = hours if total is None else total.plus(hours)
    return total


def _gpus_at_once(left: Sequence[TrialPlan], limits: Limits, means: Means) -> float:
    largest = sorted((trial.plan.gpus for trial in left), reverse=True)
    wanted = sum(largest[: limits.concurrent_trials])
    return wanted if means.gpus is None else min(wanted, means.gpus)


def _wall_hours(left: Sequence[TrialPlan], limits: Limits, means: Means) -> Interval | None:
    """GPUs and the CPUs of this machine are two places; a limit of trials at a time holds for each of them."""
    if not left:
        return Interval(0.0, 0.0, 0.0)
    if any(trial.plan.wall_hours is None for trial in left):
        return None
    gpu_trials = [trial for trial in left if trial.plan.on_gpus is not None]
    parts = math.lcm(*(trial.plan.kind.spec.execution.trials_per_gpu for trial in gpu_trials))
    gpus = None if means.gpus is None else means.gpus * parts
    on_gpus = [(*_hours_left(trial), round(trial.plan.gpus * parts)) for trial in gpu_trials]
    on_cpus = [
        (*_hours_left(trial), min(trial.plan.kind.spec.execution.cpus, means.cpus))
        for trial in left
        if trial.plan.on_gpus is None
    ]

    def longest(end: Callable[[Interval], float]) -> float:
        return max(
            wall_time(_jobs(on_gpus, end), concurrent=limits.concurrent_trials, places=gpus),
            wall_time(_jobs(on_cpus, end), concurrent=limits.concurrent_trials, places=means.cpus),
        )

    # Shorter trials can, in rare orders, make a schedule longer.
    low, central, high = sorted(longest(end) + STARTING_SECONDS / 3600 for end in (_low, _central, _high))
    return Interval(low, central, high)


def _hours_left(trial: TrialPlan) -> tuple[Interval, float]:
    """Of the whole trial, and how much of that is left."""
    assert trial.plan.wall_hours is not None
    return trial.plan.wall_hours, trial.left_share


def _jobs(trials: Iterable[tuple[Interval, float, int]], end: Callable[[Interval], float]) -> list[Job]:
    return [Job(end(hours) * share, places) for hours, share, places in trials]


def _low(hours: Interval) -> float:
    return hours.low


def _central(hours: Interval) -> float:
    return hours.central


def _high(hours: Interval) -> float:
    return hours.high


def _peak_bytes(trials: Sequence[TrialPlan], limits: Limits) -> float:
    """What all trials keep, and what those that run at a time have beyond that."""
    kept = sum(trial.plan.storage.kept_bytes for trial in trials)
    left = (trial.plan.storage for trial in trials if trial.cached != "done")
    beyond = (storage.peak_bytes - storage.kept_bytes for storage in left)
    return kept + sum(sorted(beyond, reverse=True)[: limits.concurrent_trials])


def _separate_costs(trials: Iterable[TrialPlan]) -> float:
    """Trials that differ in their budget alone would be one, if they could share their trajectory."""
    furthest: dict[str, float] = {}
    total = 0.0
    for trial in trials:
        if "budget" in trial.axes:
            training = trial.plan.last.flops.total
            same = repr([(name, value) for name, value in trial.axes.items() if name != "budget"])
            furthest[same] = max(furthest.get(same, 0.0), training)
            total += training
    return total - sum(furthest.values())
