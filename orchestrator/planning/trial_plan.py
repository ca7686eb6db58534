"""One trial of a plan: what its kind needs, and how much of it the database has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.planning.kind_plan import KindPlan
from orchestrator.planning.known import KnownRuns
from orchestrator.sweepfile.expand import ExpandedTrial

if TYPE_CHECKING:
    from db.measurements import Reached

Cached = Literal["new", "partly", "done"]


@dataclass(frozen=True)
class TrialPlan:
    """`done_share` is how much of the last budget is reached, at most 1; of a new trial it is 0.

    `done_flops` are those that the database has recorded of it, without what went beyond this sweep's last budget.
    """

    axes: Mapping[str, Any]
    seed: int
    science_hash: str
    plan: KindPlan
    done_share: float
    done_flops: float

    @property
    def cached(self) -> Cached:
        """What the database has of it."""
        return "done" if self.done_share >= 1 else "partly" if self.done_share > 0 else "new"

    @property
    def left_share(self) -> float:
        """How much of it is still to be computed."""
        return 1.0 - self.done_share


@dataclass(frozen=True)
class PlannedKind:
    """A kind's plan, and its trials in order."""

    plan: KindPlan
    trials: tuple[TrialPlan, ...]

    @property
    def num_left(self) -> int:
        """Trials that are not done."""
        return sum(trial.cached != "done" for trial in self.trials)

    @property
    def left_share(self) -> float:
        """What is left to compute, in trials."""
        return sum(trial.left_share for trial in self.trials)


def with_trials(plan: KindPlan, known: KnownRuns) -> PlannedKind:
    """The trials of a kind that has been planned."""
    return PlannedKind(plan, tuple(_trial(trial, plan, known) for trial in plan.kind.trials))


def _trial(trial: ExpandedTrial, plan: KindPlan, known: KnownRuns) -> TrialPlan:
    science_hash = trial.science_hash
    share = flops = 0.0
    reached = known.reached.get(science_hash)
    if reached is not None:
        spent = _spent(plan, reached) / trial.spec.budget.last
        share = min(spent, 1.0)
        scoring = known.evaluation_flops.get(science_hash, plan.flops.evaluation * share)
        flops = (reached.flops + scoring) * (share / spent if spent else 0.0)
    return TrialPlan(trial.axes, trial.spec.seed, science_hash, plan, share, flops)


def _spent(plan: KindPlan, reached: Reached) -> float:
    """What counts against the budget, in its unit."""
    unit = plan.kind.spec.budget.unit
    if unit == "gpu_hours":
        return reached.seconds / 3600 * plan.gpus
    return float({"steps": reached.step, "samples": reached.samples, "tokens": reached.tokens}.get(unit, reached.flops))
