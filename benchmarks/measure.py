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


def print_figure(label: str, value: object, *, target: str = "", met: bool = True, beside: str = "") -> None:
    """Print one figure on a line, with the target that it is held against and what it is compared with."""
    verdict = f"target {target}: {'met' if met else 'MISSED'}" if target else ""
    print("   ".join(filter(None, (f"{label:<64}{value!s:<34}", verdict, beside))).rstrip(), flush=True)


def time_function(function: Callable[[], object], *, runs: int) -> Timing:
    """Time a function after one call that is not counted."""
    function()
    return _timing([time_once(function) for _ in range(runs)])


def time_commands(commands: Sequence[Sequence[str]], *, runs: int) -> list[Timing]:
    """Time commands in turn, A B A B, after one round that is not counted, so that drift hits them alike."""
    seconds: list[list[float]] = [[] for _ in commands]
    for turn in range(runs + 1):
        for index, command in enumerate(commands):
            elapsed = time_once(lambda command=command: subprocess.run(command, check=True, capture_output=True))
            if turn:
                seconds[index].append(elapsed)
    return [_timing(values) for values in seconds]


def peak_memory_of_children_mb() -> float:
    """The largest resident set of any finished child process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def time_once(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _timing(seconds: Sequence[float]) -> Timing:
    return Timing(statistics.median(seconds), min(seconds), max(seconds))


def _seconds(value: float) -> str:
    return f"{value * 1000:.2f} ms" if value < 0.1 else f"{value:.2f} s"
