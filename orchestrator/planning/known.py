"""What trials in the database tell of those that are planned: how far they are, their lengths and their speed.

What is measured counts for trials of the same kind only. For lengths that is the same model on the same data with
the same limits, whatever the algorithm; for the speed on GPUs the same model, trained in the same way, on the same
GPU; for the time on a CPU trials that differ in nothing but their seed. The newest trials of a kind speak for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.planning.cost import ExpectedLengths
from orchestrator.planning.gpus import GpuType, gpu_of_device
from orchestrator.planning.hours import Interval, Utilisation, measured_interval, measured_shares
from orchestrator.planning.kinds import Kind
from orchestrator.unscored import ScoreCounts

if TYPE_CHECKING:
    from db.measurements import MeasuredAttempt, Measurements, Reached

NEWEST_TRIALS = 16
_WITHIN_ONE_DATA_SET = ("tau", "total_prompts", "seed", "heldout", "drop_near_duplicates")  # lengths stay the same

Science = Mapping[str, Any]


@dataclass(frozen=True)
class CpuPace:
    """How long one trial took on a CPU, in seconds: a step, scoring once, and all else together."""

    step: float
    scoring: float
    otherwise: float


@dataclass(frozen=True)
class KnownRuns:
    """What is known; nothing, unless it is told."""

    # By science hash: how far, and how many scores by benchmark and protocol.
    reached: Mapping[str, Reached] = field(default_factory=dict)
    scores: Mapping[str, ScoreCounts] = field(default_factory=dict)
    lengths: Mapping[str, ExpectedLengths] = field(default_factory=dict)
    utilisations: Mapping[tuple[str, str], Utilisation] = field(default_factory=dict)
    paces: Mapping[str, Sequence[CpuPace]] = field(default_factory=dict)

    def lengths_of(self, kind: Kind) -> ExpectedLengths | None:
        """Mean tokens of the trials with this model and these data."""
        return self.lengths.get(_lengths_key(kind.science)) if self.lengths else None

    def utilisation_of(self, kind: Kind, gpu: GpuType) -> Utilisation | None:
        """The share of the GPU's peak that trials of this model reached."""
        return self.utilisations.get((_speed_key(kind.science), gpu.name)) if self.utilisations else None

    def cpu_hours_of(self, kind: Kind, *, steps: int, scorings: int) -> Interval | None:
        """How long a trial like these takes on a CPU, from its start to its end."""
        paces = self.paces.get(_pace_key(kind.science)) if self.paces else None
        if not paces:
            return None
        return measured_interval([(p.step * steps + p.scoring * scorings + p.otherwise) / 3600 for p in paces])


def known_runs(measurements: Measurements, kinds: Sequence[Kind]) -> KnownRuns:
    """What the database knows of these kinds."""
    reached = measurements.reached()
    planned = {trial.science_hash for kind in kinds for trial in kind.trials}
    chosen: dict[str, list[int]] = {key: [] for kind in kinds for key in _keys(kind.science)}
    for trial_id, science in measurements.sciences():
        for key in _keys(science):
            if key in chosen and len(chosen[key]) < NEWEST_TRIALS:
                chosen[key].append(trial_id)
    attempts: dict[int, list[MeasuredAttempt]] = {}
    for attempt in measurements.attempts(sorted({number for numbers in chosen.values() for number in numbers})):
        attempts.setdefault(attempt.trial_id, []).append(attempt)
    runs = {key: [attempts[number] for number in numbers if number in attempts] for key, numbers in chosen.items()}
    return KnownRuns(
        reached=reached,
        scores=measurements.scores(planned & reached.keys()),
        lengths={key: found for key, of_key in runs.items() if (found := _lengths(of_key)) is not None},
        utilisations={
            (key, gpu): measured_shares(shares)
            for key, of_key in runs.items()
            for gpu, shares in _shares(of_key).items()
        },
        paces={key: paces for key, of_key in runs.items() if (paces := _paces(of_key))},
    )


def _keys(science: Science) -> tuple[str, str, str]:
    return _lengths_key(science), _speed_key(science), _pace_key(science)


def _lengths_key(science: Science) -> str:
    data = {name: value for name, value in science["data"].items() if name not in _WITHIN_ONE_DATA_SET}
    longest = science["sampling"]["max_completion_tokens"]
    return _text("lengths", science["model"], data, longest, science.get("environment"))


def _speed_key(science: Science) -> str:
    return _text("speed", science["model"], science.get("lora"))


def _pace_key(science: Science) -> str:
    return _text("pace", {name: value for name, value in science.items() if name not in ("seed", "horizon")})


def _text(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)


def _lengths(runs: Iterable[Sequence[MeasuredAttempt]]) -> ExpectedLengths | None:
    """Every completion counts the same, whichever trial drew it."""
    completions, prompt_tokens, completion_tokens = 0, 0.0, 0.0
    for attempt in (attempt for run in runs for attempt in run):
        if attempt.completions and attempt.prompt_tokens and attempt.completion_tokens:
            completions += attempt.completions
            prompt_tokens += attempt.prompt_tokens
            completion_tokens += attempt.completion_tokens
    if not completions:
        return None
    # Completions may all be empty, or nearly; a plan with less than a token each would mean nothing.
    return ExpectedLengths(max(prompt_tokens / completions, 1.0), max(completion_tokens / completions, 1.0), "measured")


def _shares(runs: Iterable[Sequence[MeasuredAttempt]]) -> dict[str, list[float]]:
    """Utilisation of each trial, by GPU. What lies above the peak was recorded wrongly, or of another device."""
    shares: dict[str, list[float]] = {}
    for run in runs:
        by_gpu: dict[GpuType, tuple[float, float]] = {}
        for attempt in run:
            gpu = gpu_of_device(attempt.device or "")
            if gpu is not None and attempt.flops and attempt.step_seconds and attempt.num_gpus:
                flops, gpu_seconds = by_gpu.get(gpu, (0.0, 0.0))
                by_gpu[gpu] = flops + attempt.flops, gpu_seconds + attempt.step_seconds * attempt.num_gpus
        for gpu, (flops, gpu_seconds) in by_gpu.items():
            share = flops / (gpu_seconds * gpu.peak_flops)
            if share <= 1:
                shares.setdefault(gpu.name, []).append(share)
    return shares


def _paces(runs: Iterable[Sequence[MeasuredAttempt]]) -> list[CpuPace]:
    """Of the trials that went through in one attempt: only there the times add up to the whole."""
    paces = []
    for first, *others in runs:
        wall, training, scoring = first.wall_seconds, first.step_seconds, first.evaluation_seconds
        is_whole = not others and first.device == "cpu" and not first.resumed_from_step
        if is_whole and wall is not None and training is not None and scoring is not None:
            rest = max(wall - training - scoring, 0.0)
            paces.append(CpuPace(training / first.steps, scoring / max(first.evaluations, 1), rest))
    return paces
