"""How often each benchmark is scored on a trajectory, on how many problems, and what that computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from orchestrator.planning.cost import ExpectedLengths, evaluation_flops, evaluation_steps
from orchestrator.planning.local_data import local_data_facts
from workers.flops import DecoderShape
from workers.spec import Data, Evaluation

ASSUMED_HELDOUT_PROBLEMS = 500
_PROBLEMS = {
    "gsm8k": 1319,
    "math500": 500,
    "aime2024": 30,
    "amc2023": 40,
    "humaneval": 164,
    "zebra": 200,
    "supergpqa": 200,
}
_HELDOUT_PROBLEMS = {"Artemis0430/GURU-MATH-CL": 500}


@dataclass(frozen=True)
class Scoring:
    """One benchmark on one trajectory: scored `times` times, for `flops` in all."""

    evaluation: Evaluation
    times: int
    problems: int
    is_problems_assumed: bool
    flops: float


@lru_cache(maxsize=4096)
def scorings(
    evaluations: tuple[Evaluation, ...],
    data: Data,
    shape: DecoderShape,
    lengths: ExpectedLengths,
    milestones: tuple[int, ...],
) -> tuple[Scoring, ...]:
    """Every benchmark, for a trial whose budgets are reached at the steps `milestones`, ascending."""
    return tuple(_scoring(evaluation, data, shape, lengths, milestones) for evaluation in evaluations)


def _scoring(
    evaluation: Evaluation, data: Data, shape: DecoderShape, lengths: ExpectedLengths, milestones: Sequence[int]
) -> Scoring:
    known = known_problems(evaluation, data)
    problems = ASSUMED_HELDOUT_PROBLEMS if known is None else known
    longest = evaluation.max_completion_tokens or lengths.completion_tokens
    drawn = replace(lengths, completion_tokens=min(lengths.completion_tokens, longest))
    times = evaluation_steps(evaluation, milestones)
    once = evaluation_flops(shape, evaluation, problems=problems, lengths=drawn)
    return Scoring(evaluation, times, problems, known is None, times * once)


def known_problems(evaluation: Evaluation, data: Data) -> int | None:
    """How many problems a benchmark has; None for held-out problems of data that are not known here."""
    if evaluation.benchmark != "heldout":
        return _PROBLEMS[evaluation.benchmark]
    if data.task is not None:
        return data.heldout_problems
    here = local_data_facts(data).heldout_rows
    return here if here is not None else _HELDOUT_PROBLEMS.get(data.heldout or data.train or "")
