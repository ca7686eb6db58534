"""The policy-gradient recipe of a trial: advantages, the surrogate, its aggregation, KL, and what is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from workers.spec.values import GroupSize, PositiveFloat, PositiveInt, Probability, Strict

AlgorithmName = Literal[
    "grpo", "dr_grpo", "bnpo", "dapo", "gspo", "cispo", "sapo", "luspo", "vespo", "rloo", "reinforce_pp", "lite_ppo"
]
SamplerCorrection = Literal["none", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]
Aggregation = Literal["token_mean", "micro_batch_token_mean", "sequence_mean", "sequence_sum", "fixed_length"]
AdapterTargets = Literal["attention", "all_linear"]


class Loss(Strict):
    """What is maximised, once the completions of a block have their rewards.

    * Advantages: rewards less their group's mean or that of the other completions (`leave_one_out`), divided by the
      standard deviation of the group, of the block or by nothing. Dynamic sampling draws groups anew in which all
      rewards are equal.
    * Surrogate: `clipped` at 1 - clip_low and 1 + clip_high and, for negative advantages, at `dual_clip`; the others
      replace that by their papers' own. The importance ratio is a token's, or one for a whole sequence: the geometric
      mean of its tokens' ratios, or beside `leave_one_out` their product.
    * Aggregation: the mean over the tokens of the block, over the tokens of a micro-batch, over each sequence and then
      over sequences, the sum over each sequence and then the mean, or the sum over `max_completion_tokens`.
      `entropy_quantile` is the share of tokens, those of the highest entropy, that count.
    * KL to the policy at the start: the k3 estimate, in the loss or off the reward, with or without the importance
      ratio as a factor.
    * `sampler_correction` weights or masks what the generation engine drew with other probabilities than the policy
      gives it, capped at `sampler_correction_cap`.
    """

    baseline: Literal["group_mean", "leave_one_out"] = "group_mean"
    advantage_scale: Literal["group", "batch", "none"] = "group"
    dynamic_sampling: bool = False
    surrogate: Literal["clipped", "cispo", "sapo", "vespo"] = "clipped"
    importance_ratio: Literal["token", "sequence"] = "token"
    clip_low: PositiveFloat = 0.2
    clip_high: PositiveFloat = 0.2
    dual_clip: Annotated[float, Field(gt=1)] | None = None
    aggregation: Aggregation = "token_mean"
    entropy_quantile: Probability = 1.0
    mask_truncated: bool = False
    overlong_penalty_tokens: PositiveInt | None = None
    kl_coefficient: Annotated[float, Field(ge=0)] = 0.0
    kl_placement: Literal["loss", "reward"] = "loss"
    kl_times_ratio: bool = False
    reference_dtype: Literal["float32", "bfloat16"] = "float32"
    sampler_correction: SamplerCorrection = "none"
    sampler_correction_cap: PositiveFloat = 3.0


class Algorithm(Loss):
    """The whole recipe. One step is one rollout block of `prompts_per_step` groups.

    A block's completions are spent in `updates_per_step` optimizer updates, `epochs_per_step` times over. The name is
    that of the family; what is trained is said by the other fields.
    """

    name: AlgorithmName = "grpo"
    group_size: GroupSize
    prompts_per_step: PositiveInt
    updates_per_step: PositiveInt = 1
    epochs_per_step: PositiveInt = 1

    @property
    def completions_per_step(self) -> int:
        return self.prompts_per_step * self.group_size

    @property
    def updates_per_block(self) -> int:
        """Optimizer updates of one step, in all its epochs."""
        return self.updates_per_step * self.epochs_per_step

    @model_validator(mode="after")
    def _updates_divide(self) -> Algorithm:
        if self.prompts_per_step % self.updates_per_step:
            raise ValueError(
                f"prompts_per_step {self.prompts_per_step} is not a multiple of "
                f"updates_per_step {self.updates_per_step}"
            )
        return self


class Lora(Strict):
    """Low-rank adapters in place of the weights: Hu et al. 2021, arXiv 2106.09685."""

    rank: PositiveInt
    alpha: PositiveFloat | None = None
    targets: AdapterTargets = "all_linear"
