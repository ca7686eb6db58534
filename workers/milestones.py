"""How far a trajectory has come, which milestones that reaches, and when it is to be scored.

Budgets are milestones on one trajectory: a trial stops at the end of the first step that reaches the last one.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from workers.flops import BlockFlops
from workers.spec import Algorithm, Budget, Evaluation


@dataclass(frozen=True)
class Progress:
    """Everything a trajectory has consumed up to the end of `step`, whichever attempts computed it."""

    step: int = 0
    samples: int = 0
    tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    gpu_seconds: float = 0.0

    def after(self, *, samples: int, tokens: int, flops: BlockFlops, seconds: float, num_gpus: float) -> Progress:
        """One step later."""
        return Progress(
            step=self.step + 1,
            samples=self.samples + samples,
            tokens=self.tokens + tokens,
            flops=self.flops + flops.total,
            seconds=self.seconds + seconds,
            gpu_seconds=self.gpu_seconds + seconds * num_gpus,
        )

    def spent(self, budget: Budget) -> float:
        """What counts against `budget`, in its unit."""
        return float(
            {
                "steps": self.step,
                "samples": self.samples,
                "tokens": self.tokens,
                "flops": self.flops,
                "gpu_hours": self.gpu_seconds / 3600,
            }[budget.unit]
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def reached(budget: Budget, before: Progress, now: Progress) -> list[float]:
    """The milestones that this step, and no earlier one, reached."""
    return [at for at in budget.at if before.spent(budget) < at <= now.spent(budget)]


def is_complete(budget: Budget, progress: Progress) -> bool:
    return progress.spent(budget) >= budget.last


def is_due(evaluation: Evaluation, *, step: int, at_milestone: bool, is_last: bool) -> bool:
    """Whether a benchmark is to be scored after `step`; always before the first and after the last."""
    if step == 0 or is_last:
        return True
    if evaluation.at == "every_step":
        return True
    if evaluation.at == "budgets":
        return at_milestone
    return at_milestone or is_log_spaced(step, evaluation.points_per_decade)


def fewest_scores(evaluation: Evaluation, *, steps: int) -> int:
    """How often a benchmark is scored on a trajectory of `steps` steps, wherever its milestones lie."""
    milestone_apart = (
        is_due(evaluation, step=step, at_milestone=False, is_last=step == steps) for step in range(steps + 1)
    )
    return sum(milestone_apart)


def is_log_spaced(step: int, points_per_decade: int) -> bool:
    """Whether `step` is one of the rounded powers 10^(i / points_per_decade)."""
    nearest = round(points_per_decade * math.log10(step))
    return any(round(10 ** (i / points_per_decade)) == step for i in (nearest - 1, nearest, nearest + 1))


def last_step(budget: Budget, algorithm: Algorithm) -> int | None:
    """The step that reaches the last milestone; None where that is not known before it has been taken."""
    if budget.unit == "steps":
        return math.ceil(budget.last)
    if budget.unit == "samples" and not algorithm.dynamic_sampling:
        return math.ceil(budget.last / algorithm.prompts_per_step)
    return None
