"""What a trial computes: FLOPs by phase, tokens and samples up to each of its budgets, and its evaluations.

The formulas are those that a worker records its trials with (`workers.flops`), at an expected length of prompts and
completions. Attention grows with the square of the length, so a mean length gives less than the mean cost of lengths
that vary: a few percent at most where sequences stay below four thousand tokens. Padding and what a prefix cache
saves are properties of an execution and are not in here.

Budgets are milestones on one trajectory: a trial costs what its last one costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from db.errors import SpecError
from orchestrator.planning.placing_case import BatchRecipe
from workers.flops import BlockFlops, DecoderShape, Lora, block_flops, forward_flops, generation_flops
from workers.spec import Evaluation

ASSUMED_PROMPT_TOKENS = 150.0  # grade-school and competition problems with a chat template
ASSUMED_COMPLETION_TOKENS = 600.0  # a base model's solution to one of them

BudgetUnit = Literal["steps", "samples", "tokens", "flops", "gpu_hours"]

# Far above any run; what lies beyond would only overflow.
MOST_STEPS = 10**9


@dataclass(frozen=True)
class ExpectedLengths:
    """Mean tokens of a prompt and of a completion, and who says so."""

    prompt_tokens: float
    completion_tokens: float
    source: Literal["given", "measured", "assumed"]

    def __post_init__(self) -> None:
        if self.prompt_tokens < 1 or self.completion_tokens < 1:
            raise SpecError(
                f"expected lengths must be at least one token, not {self.prompt_tokens:g} for prompts and "
                f"{self.completion_tokens:g} for completions."
            )


def assumed_lengths(recipe: BatchRecipe) -> ExpectedLengths:
    """What to expect where nothing is given or measured; never above the recipe's limits."""
    return ExpectedLengths(
        prompt_tokens=min(ASSUMED_PROMPT_TOKENS, recipe.max_prompt_tokens),
        completion_tokens=min(ASSUMED_COMPLETION_TOKENS, recipe.max_completion_tokens),
        source="assumed",
    )


@dataclass(frozen=True)
class StepCost:
    """What one step computes and consumes; it counts against the budget of every unit."""

    flops: BlockFlops
    tokens: float
    samples: int

    def spent(self, unit: BudgetUnit, *, gpu_hours: float | None = None) -> float:
        """One step in a budget's unit. Raises SpecError for GPU-hours that nobody has estimated."""
        if unit == "gpu_hours":
            if gpu_hours is None:
                raise SpecError("a budget in gpu_hours needs a trial on GPUs; use steps, samples, tokens or flops.")
            return gpu_hours
        return {"steps": 1.0, "samples": float(self.samples), "tokens": self.tokens, "flops": self.flops.total}[unit]


@lru_cache(maxsize=4096)
def step_cost(
    shape: DecoderShape,
    recipe: BatchRecipe,
    lengths: ExpectedLengths,
    *,
    has_reference: bool,
    lora: Lora | None = None,
    num_epochs: int = 1,
) -> StepCost:
    """One rollout block.

    The sampling policy's log-probabilities are computed only where a block is spent in several updates: with one
    update, and one epoch, the policy is still the one that sampled.
    """
    completions = recipe.completions_per_step
    one = block_flops(
        shape,
        [(lengths.prompt_tokens, lengths.completion_tokens)],
        has_old_logprobs=recipe.updates_per_step > 1 or num_epochs > 1,
        has_reference=has_reference,
        num_epochs=num_epochs,
        lora=lora,
    )
    return StepCost(
        flops=times(one, completions),
        tokens=completions * (lengths.prompt_tokens + lengths.completion_tokens),
        samples=recipe.prompts_per_step,
    )


def times(flops: BlockFlops, number: float) -> BlockFlops:
    """`number` blocks of the same kind."""
    return BlockFlops(
        generation=flops.generation * number,
        old_logprob=flops.old_logprob * number,
        reference=flops.reference * number,
        train=flops.train * number,
    )


@dataclass(frozen=True)
class MilestoneCost:
    """What a trajectory has computed at the end of the step that reaches a budget."""

    at: float
    steps: int
    flops: BlockFlops
    tokens: float
    samples: int


@dataclass(frozen=True)
class TrajectoryCost:
    """A trial's training up to each of its budgets."""

    step: StepCost
    milestones: tuple[MilestoneCost, ...]

    @property
    def last(self) -> MilestoneCost:
        return self.milestones[-1]

    @property
    def saved_flops(self) -> float:
        """Training FLOPs that a run of its own for every budget would have cost on top."""
        return sum(milestone.flops.total for milestone in self.milestones[:-1])


@lru_cache(maxsize=4096)
def trajectory_cost(
    step: StepCost, unit: BudgetUnit, budgets: tuple[float, ...], *, step_gpu_hours: float | None = None
) -> TrajectoryCost:
    """The cost of each of `budgets`, which ascend, and so of the whole trial.

    `step_gpu_hours` is what one step is expected to take; only a budget in GPU-hours asks for it.
    """
    if not budgets or list(budgets) != sorted(set(budgets)) or budgets[0] <= 0:
        raise SpecError(f"budgets must be positive and ascend without repeats, not {list(budgets)}.")
    each = step.spent(unit, gpu_hours=step_gpu_hours)
    if budgets[-1] > MOST_STEPS * each:
        raise SpecError(
            f"a budget of {budgets[-1]:g} {unit} is more than {MOST_STEPS:,} steps of {each:.3g} {unit}; is it meant?"
        )
    return TrajectoryCost(step, tuple(_milestone(step, at, steps_to_reach(at, each)) for at in budgets))


def steps_to_reach(budget: float, each: float) -> int:
    """The first step whose end has spent `budget`, when every step spends `each`."""
    steps = math.ceil(budget / each)
    # Division may round up to the next step where the budget is a whole number of them.
    return steps - 1 if steps > 1 and (steps - 1) * each >= budget else steps


def _milestone(step: StepCost, at: float, steps: int) -> MilestoneCost:
    return MilestoneCost(
        at=at,
        steps=steps,
        flops=times(step.flops, steps),
        tokens=steps * step.tokens,
        samples=steps * step.samples,
    )


def evaluation_steps(evaluation: Evaluation, milestones: Sequence[int]) -> int:
    """How often a benchmark is scored on a trajectory with `milestones` (steps, ascending), base and end included."""
    last = milestones[-1]
    if evaluation.at == "every_step":
        return last + 1
    due = {0, *milestones}
    if evaluation.at == "log_spaced":
        decades = evaluation.points_per_decade
        due |= {round(10 ** (i / decades)) for i in range(math.ceil(decades * math.log10(last)) + 2)}
    return sum(step <= last for step in due)


@lru_cache(maxsize=4096)
def evaluation_flops(shape: DecoderShape, evaluation: Evaluation, *, problems: int, lengths: ExpectedLengths) -> float:
    """Scoring a policy once: drawing `samples` completions a problem, or one pass over problem and answer."""
    if evaluation.method == "answer_probability":
        tokens = lengths.prompt_tokens + lengths.completion_tokens
        return problems * forward_flops(shape, tokens=tokens, head_tokens=lengths.completion_tokens)
    each = generation_flops(shape, prompt_tokens=lengths.prompt_tokens, completion_tokens=lengths.completion_tokens)
    return problems * (evaluation.samples or 1) * each
