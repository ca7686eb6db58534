"""One grid point, resolved: the parts of a specification put together."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, model_validator

from workers.spec.algorithm import Algorithm, Lora
from workers.spec.budget import Budget
from workers.spec.data import Data, Environment, IdentifiedData
from workers.spec.evaluation import Evaluation
from workers.spec.execution import Execution
from workers.spec.health import Health
from workers.spec.model import Model
from workers.spec.optimization import Optimizer, Sampling
from workers.spec.values import Seed, Strict


class TrialSpec(Strict):
    """One grid point, resolved. See the module's docstring for what is science and what is execution."""

    model: Model
    data: Data | IdentifiedData
    algorithm: Algorithm
    optimizer: Optimizer
    sampling: Sampling
    lora: Lora | None = None
    environment: Environment | None = None
    seed: Seed
    budget: Budget
    evaluations: Annotated[tuple[Evaluation, ...], Field(min_length=1, strict=False)]
    execution: Execution = Execution()
    health: Health = Health()

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> TrialSpec:
        per_update = self.algorithm.completions_per_step // self.algorithm.updates_per_step
        micro_batch = self.execution.micro_batch
        if micro_batch is None and self.algorithm.aggregation == "micro_batch_token_mean":
            raise ValueError(
                f"`algorithm` {self.algorithm.name} with loss.aggregation: micro_batch_token_mean takes the mean over "
                "each micro-batch, so what it learns depends on `resources.micro_batch`; give that"
            )
        if micro_batch is not None and per_update % micro_batch:
            raise ValueError(
                f"micro_batch {micro_batch} does not divide the {per_update} completions of one optimizer update"
            )
        return self

    @model_validator(mode="after")
    def _penalty_is_within_completions(self) -> TrialSpec:
        penalty, longest = self.algorithm.overlong_penalty_tokens, self.sampling.max_completion_tokens
        if penalty is not None and penalty > longest:
            raise ValueError(
                f"overlong_penalty_tokens {penalty} is more than max_completion_tokens {longest}, all of a completion"
            )
        return self

    @model_validator(mode="after")
    def _no_prompt_comes_twice_in_a_step(self) -> TrialSpec:
        pool = self.pool
        if pool is not None and self.data.tau > 1 and pool / self.data.tau < self.algorithm.prompts_per_step:
            raise ValueError(
                f"tau {self.data.tau} leaves {pool / self.data.tau:.12g} of total_prompts {pool:.12g}, and a step "
                f"takes prompts_per_step {self.algorithm.prompts_per_step}: the same prompt would come twice in it"
            )
        return self

    @model_validator(mode="after")
    def _whole_steps_have_their_prompts(self) -> TrialSpec:
        for at in self.budget.at if self.counts_prompts else ():
            pool = self._prompts(at) if self.data.total_prompts == "budget" else self.data.total_prompts
            # A budget that is beyond the pool by itself is said where budgets are checked, at its place in the file.
            if pool is not None and self._prompts(at) <= pool < self._prompts_in_whole_steps(at):
                raise ValueError(
                    f"a budget of {at:.12g} {self.budget.unit} ends with the step that reaches it, after "
                    f"{self._prompts_in_whole_steps(at):.12g} prompts, and total_prompts is {pool:.12g}; "
                    f"take a budget and a total_prompts that are multiples of prompts_per_step "
                    f"{self.algorithm.prompts_per_step}"
                )
        return self

    @model_validator(mode="after")
    def _separate_budgets_are_apart(self) -> TrialSpec:
        seen: dict[float, float] = {}
        for at in self.budget.at if self.horizon_reason and self.counts_prompts else ():
            other = seen.setdefault(self._prompts_in_whole_steps(at), at)
            if other != at:
                raise ValueError(f"budgets of {other:.12g} and {at:.12g} {self.budget.unit} end with the same step")
        return self

    @property
    def counts_prompts(self) -> bool:
        """Whether the budgets say how many prompts the trial takes, before it has run."""
        return self.budget.unit in ("samples", "steps")

    @property
    def pool(self) -> float | None:
        """The uses of all prompts together; None where every step goes on in the file."""
        if self.data.total_prompts == "budget":
            return self._prompts(self.budget.last) if self.counts_prompts else None
        return self.data.total_prompts

    @property
    def prompts_drawn(self) -> float | None:
        """How many prompts the trial takes; None where that is not known before it has run."""
        return self._prompts_in_whole_steps(self.budget.last) if self.counts_prompts else None

    def _prompts(self, at: float) -> float:
        return at * self.algorithm.prompts_per_step if self.budget.unit == "steps" else at

    def _prompts_in_whole_steps(self, at: float) -> float:
        per_step = self.algorithm.prompts_per_step
        return float(math.ceil(at if self.budget.unit == "steps" else at / per_step) * per_step)

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
