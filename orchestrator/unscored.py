"""Scores that a sweep asks for and that trials which are done do not have.

Scores are taken while a trial trains. A trial that was done before the sweep asked, or that another sweep ran with
other evaluations, has the scores that were asked for then; it is not trained again for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from workers.evaluation.score_names import benchmark_name, protocol_name
from workers.milestones import fewest_scores
from workers.spec import Evaluation, TrialSpec

ScoreCounts = Mapping[tuple[str, str], int]

_NEVER_TAKEN_LATER = (
    "scores are taken while a trial trains, and a trial that is done is not trained again for them; another seed is "
    "another trial"
)


def unscored(done: Iterable[tuple[TrialSpec, int, ScoreCounts]]) -> list[str]:
    """A sentence for each score that trials lack, given their specifications, their steps and the scores they have."""
    lacking: dict[str, int] = {}
    for spec, steps, scores in done:
        for evaluation in spec.evaluations:
            name = _named(evaluation, spec)
            if _number(evaluation, spec, scores) < _expected(evaluation, spec, steps):
                lacking[name] = lacking.get(name, 0) + 1
    return [
        f"{number} trial{'s' * (number > 1)} that {'are' if number > 1 else 'is'} done lack{'s' * (number == 1)} "
        f"scores on {name}: {_NEVER_TAKEN_LATER}"
        for name, number in lacking.items()
    ]


def _number(evaluation: Evaluation, spec: TrialSpec, scores: ScoreCounts) -> int:
    """Scores under the evaluation's names. Problems that are not made here are as many as there are."""
    if spec.data.task:
        benchmark = benchmark_name(evaluation, num_problems=spec.data.heldout_problems)
        return scores.get((benchmark, protocol_name(evaluation)), 0)
    return sum(
        number
        for (benchmark, protocol), number in scores.items()
        if benchmark.rpartition("-")[0] == evaluation.benchmark and protocol == protocol_name(evaluation)
    )


def _expected(evaluation: Evaluation, spec: TrialSpec, steps: int) -> int:
    """How many there are at least. In which steps budgets of tokens and FLOPs were reached is not known here."""
    if spec.budget.unit not in ("steps", "samples"):
        return fewest_scores(evaluation, steps=1)
    per_step = 1 if spec.budget.unit == "steps" else spec.algorithm.prompts_per_step
    reached = {min(-int(-at // per_step), steps) for at in spec.budget.at}
    if evaluation.at == "budgets":
        return len({0, *reached})
    return fewest_scores(evaluation, steps=max(reached))


def _named(evaluation: Evaluation, spec: TrialSpec) -> str:
    problems = f" ({spec.data.heldout_problems} problems)" if spec.data.task else ""
    return f"{evaluation.benchmark}{problems} by {protocol_name(evaluation)}, {evaluation.at.replace('_', ' ')}"
