"""From FLOPs to GPU-hours and wall time, with an interval that says how sure that is.

GPU-hours = FLOPs / (utilisation x peak). Utilisation is the share of a GPU's peak that model FLOPs reach over a whole
step, generation and waiting included. A user's own number counts first; then, where trials of the kind have been
measured, theirs; else it is assumed from the model's size.
"""

from __future__ import annotations

import heapq
import math
import statistics
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from db.errors import SpecError
from workers.gpus import GpuType

# Starting points for TRL with a colocated engine, judged and not measured, at the parameters of Qwen2.5 0.5B to 72B.
ASSUMED_UTILISATION = (
    (0.494e9, 0.05),
    (1.544e9, 0.08),
    (3.086e9, 0.10),
    (7.616e9, 0.12),
    (14.77e9, 0.14),
    (32.76e9, 0.15),
    (72.71e9, 0.15),
)
# Half or twice the assumed value: published synchronous runs of 8B to 32B on H100 lie between .15 and .22, and TRL
# has been reported to be up to three times slower than its peers.
ASSUMED_FACTOR = 2.0
# One measured trial says nothing of the spread; estimates calibrated on one are asked to be within a quarter.
SINGLE_TRIAL_FACTOR = 1.25
# What generation takes of a step's time where the same GPUs do both: judged too.
ASSUMED_GENERATION_SHARE = 0.5
_STANDARD_DEVIATIONS = 2.0
_LEAST_SHARE = 0.25  # the interval of what was measured does not reach below this share of its mean


@dataclass(frozen=True)
class Interval:
    """A central value between a low and a high one."""

    low: float
    central: float
    high: float

    def __post_init__(self) -> None:
        assert self.low <= self.central <= self.high, self

    def times(self, factor: float) -> Interval:
        return Interval(self.low * factor, self.central * factor, self.high * factor)

    def plus(self, other: Interval) -> Interval:
        """The sum, as if whatever is wrong with the one were wrong with the other too."""
        return Interval(self.low + other.low, self.central + other.central, self.high + other.high)


@dataclass(frozen=True)
class Utilisation:
    """The share of peak that model FLOPs reach, and where that number comes from."""

    share: Interval
    source: Literal["given", "measured", "assumed"]
    num_trials: int = 0


@lru_cache(maxsize=256)
def assumed_utilisation(active_params: float) -> Utilisation:
    """By interpolation over the logarithm of the size; beyond the table, its ends."""
    sizes = [size for size, _ in ASSUMED_UTILISATION]
    if active_params <= sizes[0]:
        share = ASSUMED_UTILISATION[0][1]
    elif active_params >= sizes[-1]:
        share = ASSUMED_UTILISATION[-1][1]
    else:
        above = bisect_left(sizes, active_params)
        (small, low), (large, high) = list(pairwise(ASSUMED_UTILISATION))[above - 1]
        share = low + (high - low) * math.log(active_params / small) / math.log(large / small)
    return Utilisation(Interval(share / ASSUMED_FACTOR, share, share * ASSUMED_FACTOR), "assumed")


def beside_server(assumed: Utilisation, *, gpus: int, server_gpus: int) -> Utilisation:
    """What is assumed for GPUs that do both, where some train and others generate, and wait for each other.

    A phase that takes a share s of the time on all N GPUs takes s N / n on n of them.
    """
    share, number = ASSUMED_GENERATION_SHARE, gpus + server_gpus
    longer = number * (share / server_gpus + (1 - share) / gpus)
    return replace(assumed, share=assumed.share.times(1 / longer))


def given_utilisation(share: float) -> Utilisation:
    """A user's own number; it is trusted as much as a single measured trial."""
    interval = _spread(share, None)
    return Utilisation(Interval(interval.low, share, min(interval.high, 1.0)), "given")


def measured_utilisation(*, mean: float, standard_deviation: float | None, num_trials: int) -> Utilisation:
    """From trials of the kind: mean and spread between them (None where there is one trial).

    Raises SpecError for a mean that is no share of a peak.
    """
    if not 0 < mean <= 1:
        raise SpecError(f"a measured utilisation of {mean:g} is not between 0 and 1; check the GPU's peak FLOP/s.")
    return Utilisation(_spread(mean, standard_deviation), "measured", num_trials)


def measured_shares(shares: Sequence[float]) -> Utilisation:
    """From the utilisation of each trial of the kind."""
    deviation = statistics.stdev(shares) if len(shares) > 1 else None
    return measured_utilisation(mean=statistics.fmean(shares), standard_deviation=deviation, num_trials=len(shares))


def measured_interval(values: Sequence[float]) -> Interval:
    """What the next trial of a kind is expected to show, where these have shown `values`, all above 0."""
    return _spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)


def _spread(mean: float, standard_deviation: float | None) -> Interval:
    if standard_deviation is None:
        return Interval(mean / SINGLE_TRIAL_FACTOR, mean, mean * SINGLE_TRIAL_FACTOR)
    spread = _STANDARD_DEVIATIONS * standard_deviation
    return Interval(max(mean - spread, mean * _LEAST_SHARE), mean, mean + spread)


def gpu_hours(flops: float, gpu: GpuType, utilisation: Utilisation) -> Interval:
    """GPU-hours of `flops`, however many GPUs share them; the high end belongs to the low utilisation."""
    hours_at_peak = flops / gpu.peak_flops / 3600
    share = utilisation.share
    return Interval(hours_at_peak / share.high, hours_at_peak / share.central, hours_at_peak / share.low)


@dataclass(frozen=True)
class Job:
    """A trial as the schedule sees it: how long it runs, and how many GPUs (or CPUs) it holds meanwhile."""

    duration: float
    places: int = 1


def wall_time(jobs: Sequence[Job], *, concurrent: int | None, places: int | None) -> float:
    """When the last job ends, in the unit of their durations, if each starts as soon as it may.

    List scheduling: whenever something ends, the first waiting job that fits starts. `concurrent` limits the jobs at
    a time and `places` the GPUs; None is no limit. Raises SpecError for a job that never fits.
    """
    waiting = _by_places(jobs)
    if places is not None and max(waiting, default=0) > places:
        raise SpecError(f"A trial needs {max(waiting)} GPUs, and there are {places}.")
    running: list[tuple[float, int]] = []
    now, free, left = 0.0, places if places is not None else math.inf, len(jobs)
    while left:
        fitting = [(queue[0][0], size) for size, queue in waiting.items() if queue and size <= free]
        if fitting and (concurrent is None or len(running) < concurrent):
            _, size = min(fitting)
            _, duration = waiting[size].popleft()
            heapq.heappush(running, (now + duration, size))
            free, left = free - size, left - 1
        else:
            now, size = heapq.heappop(running)
            free += size
    return max((end for end, _ in running), default=0.0)


def _by_places(jobs: Sequence[Job]) -> dict[int, deque[tuple[int, float]]]:
    """(position, duration) of the jobs of each size, in order."""
    queues: dict[int, deque[tuple[int, float]]] = {}
    for position, job in enumerate(jobs):
        queues.setdefault(job.places, deque()).append((position, job.duration))
    return queues
