"""How long trials took on a CPU: a step, scoring one problem, and what every attempt takes beside those.

A trial that was continued is as good a witness as one that went through. Its live steps and scores are added up over
its attempts. What an attempt takes beside them (loading, making a base model, checkpoints) is known of those attempts
alone whose steps all count; where later attempts took some again, the rest of the time would hold those too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from workers.spec import Execution

if TYPE_CHECKING:
    from db.measurements import MeasuredAttempt

# The engine, then the values of `_MATTERS`.
Running = tuple[Any, ...]
_MATTERS = ("micro_batch", "gradient_checkpointing", "cpus", "processes")


@dataclass(frozen=True)
class CpuPace:
    """What one trial showed, in seconds: a step, scoring one problem once, and all else in one attempt."""

    step: float
    problem: float
    otherwise: float

    def hours(self, steps: int, scored_problems: int) -> float:
        """Of a trial that goes through in one attempt."""
        return (self.step * steps + self.problem * scored_problems + self.otherwise) / 3600


def running_of(execution: Execution) -> Running:
    """How a trial on a CPU will be run, as far as its speed depends on it."""
    engine = "vllm" if execution.engine == "vllm" else "transformers"
    return engine, *(getattr(execution, name) for name in _MATTERS)


def paces_of(runs: Iterable[Sequence[MeasuredAttempt]]) -> dict[Running, list[CpuPace]]:
    """The pace of each trial, by how it was run; a trial whose attempts differ in that counts for each way."""
    paces: dict[Running, list[CpuPace]] = {}
    for run in runs:
        ways: dict[Running, list[MeasuredAttempt]] = {}
        for attempt in run:
            if attempt.device == "cpu":
                ways.setdefault(_recorded(attempt.engine, attempt.execution or {}), []).append(attempt)
        for running, attempts in ways.items():
            pace = _pace(attempts)
            if pace is not None:
                paces.setdefault(running, []).append(pace)
    return paces


def _recorded(engine: str | None, execution: Mapping[str, Any]) -> Running:
    """What is not recorded is as by default."""
    fields = Execution.model_fields
    return engine or "transformers", *(execution.get(name, fields[name].default) for name in _MATTERS)


def _pace(attempts: Sequence[MeasuredAttempt]) -> CpuPace | None:
    """None where the time of a step, of scoring, or of all else is not known of any attempt."""
    timed = [each for each in attempts if each.step_seconds is not None]
    scored = [each for each in attempts if each.evaluation_seconds is not None and each.scored_problems is not None]
    rests = [rest for each in attempts if (rest := _rest(each)) is not None]
    if not timed or not scored or not rests:
        return None
    problems = sum(each.scored_problems or 0.0 for each in scored)
    return CpuPace(
        step=sum(each.step_seconds or 0.0 for each in timed) / sum(each.steps for each in timed),
        problem=sum(each.evaluation_seconds or 0.0 for each in scored) / max(problems, 1.0),
        otherwise=fmean(rests),
    )


def _rest(attempt: MeasuredAttempt) -> float | None:
    """Seconds of an attempt that were neither steps nor scores."""
    if (
        attempt.wall_seconds is None
        or attempt.step_seconds is None
        or attempt.evaluation_seconds is None
        or not attempt.is_wholly_live
    ):
        return None
    return max(attempt.wall_seconds - attempt.step_seconds - attempt.evaluation_seconds, 0.0)
