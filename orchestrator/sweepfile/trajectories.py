"""Budgets on one trajectory: whether one run can serve them all, and what becomes of a sweep where it cannot.

With a constant learning rate and prompts in a fixed order, a run that goes less far is the beginning of one that goes
further, and its numbers are read off on the way. Where what happens at a step depends on the last budget, that is
not so: such a sweep is refused, or makes a trial for each budget of the trials of which it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.sweepfile.expand import ExpandedTrial
from orchestrator.sweepfile.language import SweepFile
from orchestrator.sweepfile.problems import Path, SpecProblem, without_numbers
from orchestrator.sweepfile.yaml_source import YamlSource
from workers.spec import Budget, TrialSpec

_BUDGETS: Path = ("budgets", "at")
_ONE_WAY = (
    "found 'separate', and no trial does anything else on the way to a later budget: trials for each budget would be "
    "one and the same; leave `trajectories` out, and one run serves all budgets"
)


def with_trajectories(
    sweep: SweepFile, trials: Sequence[ExpandedTrial], source: YamlSource
) -> tuple[list[ExpandedTrial], list[SpecProblem]]:
    """The trials, one for each budget where the file asks for that, and what is wrong with the budgets."""
    shared = sweep.budgets.trajectories == "shared"
    reasons: dict[str, Path] = {}
    said: set[str] = set()
    for trial in trials:
        for reason, path in _unsound(trial.spec, shared=shared).items():
            if (kind := without_numbers(reason)) not in said:  # the same of trials with another tau is one mistake
                said.add(kind)
                reasons[reason] = path
    if not shared and len(sweep.budgets.at) > 1 and trials and not any(t.spec.horizon_reason for t in trials):
        reasons[_ONE_WAY] = ("budgets", "trajectories")
    problems = [SpecProblem(source.position(path), path, reason) for reason, path in reasons.items()]
    if shared or problems:
        return list(trials), problems
    return [each for trial in trials for each in _separate(trial)], []


def _separate(trial: ExpandedTrial) -> list[ExpandedTrial]:
    """A trial for each budget; but where the way is the same, the trials would be one, which serves them all."""
    return [_until(trial, at) for at in trial.spec.budget.at] if trial.spec.horizon_reason else [trial]


def _until(trial: ExpandedTrial, at: float) -> ExpandedTrial:
    budget = Budget(unit=trial.spec.budget.unit, at=(at,))
    return replace(trial, axes=trial.axes | {"budget": at}, spec=trial.spec.model_copy(update={"budget": budget}))


def _unsound(spec: TrialSpec, *, shared: bool) -> dict[str, Path]:
    """What is wrong, in words -> where."""
    budget, found = spec.budget, dict[str, Path]()
    if spec.horizon_reason and len(budget.at) > 1 and shared:
        found[
            f"{len(budget.at)} budgets cannot share one trajectory, since {spec.horizon_reason}; "
            "write `trajectories: separate` to have a trial for each"
        ] = _BUDGETS
    if budget.unit == "gpu_hours" and spec.execution.gpus == 0:
        found["gpu_hours are spent on GPUs, and the trials run on CPUs; use steps, samples, tokens or flops"] = (
            "budgets",
            "unit",
        )
    found |= dict.fromkeys(_beyond_the_data(spec), _BUDGETS)
    return found


def _beyond_the_data(spec: TrialSpec) -> list[str]:
    """A trial that went on after its prompts had all been used tau times would use them more often."""
    pool, budget, per_step = spec.data.total_prompts, spec.budget, spec.algorithm.prompts_per_step
    in_samples = {"samples": 1, "steps": per_step}.get(budget.unit)
    if pool is None or (in_samples is None and pool != "budget"):
        return []
    if in_samples is None:
        return [f"`data.total_prompts: budget` needs budgets in samples or steps, not in {budget.unit}"]
    uneven = [at for at in budget.at if pool == "budget" and at * in_samples % spec.data.tau]
    if uneven:
        return [f"a budget of {uneven[0]:.12g} {budget.unit} is not a multiple of tau {spec.data.tau}"]
    if isinstance(pool, int) and budget.last * in_samples > pool:
        return [
            f"{budget.last:.12g} {budget.unit} are {budget.last * in_samples:,.0f} prompts, and data.total_prompts is "
            f"{pool:,}: they would be used more often than tau {spec.data.tau} says"
        ]
    return []
