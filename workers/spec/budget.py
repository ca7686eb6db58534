"""How far a trial is taken."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workers.spec.values import PositiveFloat, Strict

BudgetUnit = Literal["steps", "samples", "tokens", "flops", "gpu_hours"]


class Budget(Strict):
    """Milestones on one trajectory: the trial stops at the end of the first step that reaches the last one.

    `samples` are prompts seen, `tokens` prompt and completion tokens of every rollout, `flops` the unpadded model
    FLOPs of generation and training (evaluation not counted), `gpu_hours` the time of training times its GPUs.
    """

    unit: BudgetUnit
    at: Annotated[tuple[PositiveFloat, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _ascending(self) -> Budget:
        if list(self.at) != sorted(set(self.at)):
            raise ValueError(f"milestones must ascend without repeats, not {list(self.at)}")
        return self

    @property
    def last(self) -> float:
        return self.at[-1]
