"""Which of TRL 1.16's trainers and losses carries out a recipe, and what none of them carries out.

`GRPOTrainer` takes rewards less their group's mean and knows several surrogates; `RLOOTrainer` takes those of the other
completions as the baseline, weighs whole sequences by the product of their tokens' ratios, and puts the KL into the
reward. A recipe that lies between the two is refused: to train something near it would be another experiment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from workers.spec import Algorithm, Loss

TrlTrainer = Literal["grpo", "rloo"]

# TRL's name of a loss by surrogate and aggregation. Cispo, sapo and vespo aggregate in one way each.
_LOSSES = {
    ("clipped", "token_mean"): "dapo",
    ("clipped", "micro_batch_token_mean"): "bnpo",
    ("clipped", "sequence_mean"): "grpo",
    ("clipped", "sequence_sum"): "luspo",
    ("clipped", "fixed_length"): "dr_grpo",
    ("cispo", "token_mean"): "cispo",
    ("sapo", "sequence_mean"): "sapo",
    ("vespo", "token_mean"): "vespo",
}
# What RLOOTrainer does, in our words. Where a recipe says otherwise, it cannot be trained.
_OF_RLOO = {
    "surrogate": "clipped",
    "importance_ratio": "sequence",
    "aggregation": "sequence_mean",
    "dual_clip": None,
    "entropy_quantile": 1.0,
    "kl_times_ratio": False,
    "sampler_correction": "none",
}


def trl_trainer(algorithm: Algorithm) -> TrlTrainer:
    """The trainer of a recipe."""
    return "rloo" if algorithm.baseline == "leave_one_out" else "grpo"


def needs_old_logprobs(algorithm: Algorithm) -> bool:
    """Whether the recipe needs the sampling policy's log-probabilities beside those of the training pass.

    With one update a block the policy is still the one that sampled. TRL then computes them anew with vLLM only, to
    compare the two; that must not make what a recipe costs depend on the engine.
    """
    penalises = trl_trainer(algorithm) == "rloo" and algorithm.kl_coefficient > 0
    return algorithm.updates_per_block > 1 or penalises


def unlike_trl(algorithm: Algorithm) -> Iterator[str]:
    """Why no trainer of TRL carries out the recipe: a sentence for each reason."""
    if trl_trainer(algorithm) == "rloo":
        yield from _unlike_rloo(algorithm)
    else:
        yield from _unlike_grpo(algorithm)


def loss_settings(algorithm: Algorithm) -> dict[str, Any]:
    """The arguments of `GRPOConfig` or `RLOOConfig` that say what is maximised; those of the sampler are elsewhere."""
    assert not list(unlike_trl(algorithm)), list(unlike_trl(algorithm))
    both = {
        "epsilon": algorithm.clip_low,
        "epsilon_high": algorithm.clip_high,
        "beta": algorithm.kl_coefficient,
        "num_iterations": algorithm.epochs_per_step,
        "mask_truncated_completions": algorithm.mask_truncated,
    }
    if trl_trainer(algorithm) == "rloo":
        return both | {"normalize_advantages": algorithm.advantage_scale == "batch", "reward_clip_range": None}
    return both | {
        "loss_type": _LOSSES[algorithm.surrogate, algorithm.aggregation],
        "delta": algorithm.dual_clip,
        # TRL 1.16 multiplies the KL term by the importance ratio unless told not to, which changes its gradient.
        "use_bias_correction_kl": algorithm.kl_times_ratio,
        "scale_rewards": algorithm.advantage_scale,
        # Vespo weighs whole sequences by itself, from the ratios of tokens.
        "importance_sampling_level": "token" if algorithm.surrogate == "vespo" else algorithm.importance_ratio,
        "top_entropy_quantile": algorithm.entropy_quantile,
        "multi_objective_aggregation": "sum_then_normalize",
        "entropy_coef": 0.0,
        "use_adaptive_entropy": False,
        "off_policy_mask_threshold": None,
        "cast_lm_head_to_fp32": False,
    }


def _unlike_grpo(algorithm: Algorithm) -> Iterator[str]:
    surrogate, aggregation = algorithm.surrogate, algorithm.aggregation
    if (surrogate, aggregation) not in _LOSSES:
        ways = [ours for theirs, ours in _LOSSES if theirs == surrogate]
        yield f"loss.surrogate {surrogate} goes with loss.aggregation {' or '.join(ways)}, not {aggregation}"
    if surrogate != "clipped" and algorithm.dual_clip is not None:
        yield f"loss.dual_clip {algorithm.dual_clip:g} means nothing beside loss.surrogate {surrogate}"
    if algorithm.kl_coefficient and algorithm.kl_placement == "reward":
        yield "loss.kl_placement reward goes with loss.baseline leave_one_out, not group_mean"


def _unlike_rloo(algorithm: Algorithm) -> Iterator[str]:
    for name, theirs in _OF_RLOO.items():
        ours = getattr(algorithm, name)
        if ours != theirs:
            yield f"loss.{name} {ours} does not go with loss.baseline leave_one_out, which has {_said(theirs)}"
    if algorithm.advantage_scale == "group":
        yield "loss.advantage_scale group does not go with loss.baseline leave_one_out, which has none or batch"
    if algorithm.kl_coefficient and algorithm.kl_placement == "loss":
        yield "loss.kl_placement loss does not go with loss.baseline leave_one_out, which has reward"


def _said(value: object) -> str:
    return "none" if value is None else str(value)


assert set(_OF_RLOO) <= set(Loss.model_fields)
