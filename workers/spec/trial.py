"""One grid point, resolved: the parts of a specification put together."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from workers.spec.algorithm import Algorithm, Lora
from workers.spec.budget import Budget
from workers.spec.data import Data, Environment
from workers.spec.evaluation import Evaluation
from workers.spec.execution import Execution
from workers.spec.model import Model
from workers.spec.optimization import Optimizer, Sampling
from workers.spec.values import Seed, Strict


class TrialSpec(Strict):
    """One grid point, resolved. See the module's docstring for what is science and what is execution."""

    model: Model
    data: Data
    algorithm: Algorithm
    optimizer: Optimizer
    sampling: Sampling
    lora: Lora | None = None
    environment: Environment | None = None
    seed: Seed
    budget: Budget
    evaluations: Annotated[tuple[Evaluation, ...], Field(min_length=1, strict=False)]
    execution: Execution = Execution()

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> TrialSpec:
        per_update = self.algorithm.completions_per_step // self.algorithm.updates_per_step
        micro_batch = self.execution.micro_batch
        if micro_batch is not None and per_update % micro_batch:
            raise ValueError(
                f"micro_batch {micro_batch} does not divide the {per_update} completions of one optimizer update"
            )
        return self

    @property
    def horizon_reason(self) -> str | None:
        """Why what the trial does at a step depends on how far it goes; None where it does not.

        Where it does not, a trial that goes less far is the beginning of one that goes further.
        """
        if self.optimizer.schedule != "constant":
            return f"the learning rate falls until the last budget (optimizer.schedule: {self.optimizer.schedule})"
        if self.data.total_prompts == "budget":
            return "the pool of prompts is as large as the last budget (data.total_prompts: budget)"
        return None
