"""Timing whole commands and functions: medians over several runs, and ratios against something run beside them."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Median seconds of several runs, and their spread."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_seconds(self.median)} ({_seconds(self.low)} to {_seconds(self.high)})"


def time_function(function: Callable[[], object], *, runs: int) -> Timing:
    """Time a function after one call that is not counted."""
    function()
    return _timing([_elapsed(function) for _ in range(runs)])


def time_commands(commands: Sequence[Sequence[str]], *, runs: int) -> list[Timing]:
    """Time commands in turn, A B A B, after one round that is not counted, so that drift hits them alike."""
    seconds: list[list[float]] = [[] for _ in commands]
    for turn in range(runs + 1):
        for index, command in enumerate(commands):
            elapsed = _elapsed(lambda command=command: subprocess.run(command, check=True, capture_output=True))
            if turn:
                seconds[index].append(elapsed)
    return [_timing(values) for values in seconds]


def peak_memory_of_children_mb() -> float:
    """The largest resident set of any finished child process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _elapsed(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _timing(seconds: Sequence[float]) -> Timing:
    return Timing(statistics.median(seconds), min(seconds), max(seconds))


def _seconds(value: float) -> str:
    return f"{value * 1000:.2f} ms" if value < 0.1 else f"{value:.2f} s"
