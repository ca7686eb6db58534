"""What trials in the database tell of those that are planned: how far they are, their lengths, speed and memory.

What is measured counts for trials of the same kind only. For lengths that is the same model on the same data with
the same limits, whatever the algorithm; for the speed on GPUs the same model, trained in the same way, on the same
GPU; for the memory there both of that; for the time on a CPU the same model and batch with the same passes over it,
run in the same way. The newest trials of a kind speak for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.planning.cost import ExpectedLengths
from orchestrator.planning.hours import Interval, Utilisation, measured_interval, measured_shares
from orchestrator.planning.kinds import Kind
from orchestrator.planning.pace import CpuPace, Running, paces_of, running_of
from orchestrator.unscored import ScoreCounts
from workers.gpus import GpuType, gpu_of_device

if TYPE_CHECKING:
    from db.measurements import MeasuredAttempt, Measurements, Reached

NEWEST_TRIALS = 16
_WITHIN_ONE_DATA_SET = ("tau", "total_prompts", "seed", "heldout", "drop_near_duplicates")  # lengths stay the same

# What of an algorithm decides how much a step computes, with what counts where a trial's science does not say.
_PASSES = {
    "group_size": None,
    "prompts_per_step": None,
    "updates_per_step": 1,
    "epochs_per_step": 1,
    "dynamic_sampling": False,
    "sampler_correction": "none",
}

Science = Mapping[str, Any]
# The GPU's name, and whether the trial had a vLLM server on GPUs of its own: then some always wait.
Speed = tuple[str, bool]


@dataclass(frozen=True)
class KnownRuns:
    """What is known; nothing, unless it is told."""

    # By science hash: how far, what scoring took, and how many scores by benchmark and protocol.
    reached: Mapping[str, Reached] = field(default_factory=dict)
    evaluation_flops: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, ScoreCounts] = field(default_factory=dict)
    lengths: Mapping[str, ExpectedLengths] = field(default_factory=dict)
    utilisations: Mapping[tuple[str, Speed], Utilisation] = field(default_factory=dict)
    peak_memory: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by the GPU's name
    paces: Mapping[tuple[str, Running], Sequence[CpuPace]] = field(default_factory=dict)

    def lengths_of(self, kind: Kind) -> ExpectedLengths | None:
        """Mean tokens of the trials with this model and these data."""
        return self.lengths.get(_lengths_key(kind.science)) if self.lengths else None

    def utilisation_of(self, kind: Kind, gpu: GpuType) -> Utilisation | None:
        """The share of the GPU's peak that trials of this model reached, with a server of their own or without."""
        key = (_speed_key(kind.science), (gpu.name, kind.spec.execution.server_gpus is not None))
        return self.utilisations.get(key) if self.utilisations else None

    def peak_memory_of(self, kind: Kind, gpu: GpuType) -> int | None:
        """The most bytes that a trial like these took of one such GPU."""
        return self.peak_memory.get((_memory_key(kind.science), gpu.name)) if self.peak_memory else None

    def cpu_hours_of(self, kind: Kind, *, steps: int, scored_problems: int) -> Interval | None:
        """How long a trial like these takes on a CPU, from its start to its end."""
        key = (_pace_key(kind.science), running_of(kind.spec.execution)) if self.paces else None
        paces = self.paces.get(key) if key else None
        return measured_interval([pace.hours(steps, scored_problems) for pace in paces]) if paces else None


def known_runs(measurements: Measurements, kinds: Sequence[Kind]) -> KnownRuns:
    """What the database knows of these kinds."""
    reached = measurements.reached()
    there = {trial.science_hash for kind in kinds for trial in kind.trials} & reached.keys()
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
        evaluation_flops=measurements.evaluation_flops(there),
        scores=measurements.scores(there),
        lengths={key: found for key, of_key in runs.items() if (found := _lengths(of_key)) is not None},
        utilisations={
            (key, speed): measured_shares(shares)
            for key, of_key in runs.items()
            for speed, shares in _shares(of_key).items()
        },
        peak_memory={(key, gpu): most for key, of_key in runs.items() for gpu, most in _peak_memory(of_key).items()},
        paces={(key, running): paces for key, of_key in runs.items() for running, paces in paces_of(of_key).items()},
    )


def _keys(science: Science) -> tuple[str, ...]:
    return _lengths_key(science), _speed_key(science), _memory_key(science), _pace_key(science)


def _lengths_key(science: Science) -> str:
    data = {name: value for name, value in science["data"].items() if name not in _WITHIN_ONE_DATA_SET}
    longest = science["sampling"]["max_completion_tokens"]
    return _text("lengths", science["model"], data, longest, science.get("environment"))


def _speed_key(science: Science) -> str:
    return _text("speed", science["model"], science.get("lora"))


def _memory_key(science: Science) -> str:
    return _text("memory", _lengths_key(science), science.get("lora"))


def _pace_key(science: Science) -> str:
    """What the time of a step depends on: how much is computed, not how it is weighed or where it leads."""
    algorithm = science["algorithm"]
    passes = {name: algorithm.get(name, default) for name, default in _PASSES.items()}
    has_reference = bool(algorithm.get("kl_coefficient"))
    return _text("pace", _lengths_key(science), science.get("lora"), passes, has_reference)


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


def _shares(runs: Iterable[Sequence[MeasuredAttempt]]) -> dict[Speed, list[float]]:
    """Utilisation of each trial, by GPU. What lies above the peak was recorded wrongly, or of another device."""
    shares: dict[Speed, list[float]] = {}
    for run in runs:
        by_gpu: dict[tuple[GpuType, bool], tuple[float, float]] = {}
        for attempt in run:
            gpu = gpu_of_device(attempt.device or "")
            if gpu is not None and attempt.flops and attempt.step_seconds and attempt.num_gpus:
                where = gpu, (attempt.execution or {}).get("server_gpus") is not None
                flops, gpu_seconds = by_gpu.get(where, (0.0, 0.0))
                by_gpu[where] = flops + attempt.flops, gpu_seconds + attempt.step_seconds * attempt.num_gpus
        for (gpu, has_server), (flops, gpu_seconds) in by_gpu.items():
            share = flops / (gpu_seconds * gpu.peak_flops)
            if share <= 1:
                shares.setdefault((gpu.name, has_server), []).append(share)
    return shares


def _peak_memory(runs: Iterable[Sequence[MeasuredAttempt]]) -> dict[str, int]:
    """By the name of the GPU, of trials that trained on one: with more of them each has a part of the weights."""
    most: dict[str, int] = {}
    for attempt in (attempt for run in runs for attempt in run):
        gpu = gpu_of_device(attempt.device or "")
        if gpu is not None and attempt.peak_memory_bytes and (attempt.num_gpus or 0) <= 1:
            most[gpu.name] = max(most.get(gpu.name, 0), attempt.peak_memory_bytes)
    return most
