"""What the name of an algorithm sets. A value that the sweep file itself gives wins over it; one of a preset does not.

Names that are known in the field and cannot be trained here are refused with the reason.
"""

from __future__ import annotations

from typing import Any, get_args

from workers.spec import AlgorithmName

NAMES: tuple[str, ...] = get_args(AlgorithmName)

# By the dotted name of a trial's field. Clip ranges and switches are those of the papers that are named.
SETTINGS: dict[str, dict[str, Any]] = {
    "grpo": {},  # Shao et al. 2024, arXiv 2402.03300; with the token mean, as the study has it
    "dr_grpo": {  # Liu et al. 2025, arXiv 2503.20783
        "loss.aggregation": "fixed_length",
        "loss.advantage_scale": "none",
    },
    "bnpo": {"loss.aggregation": "micro_batch_token_mean"},
    "dapo": {  # Yu et al. 2025, arXiv 2503.14476
        "loss.clip_high": 0.28,
        "loss.dynamic_sampling": True,
        "loss.mask_truncated": True,
        "loss.kl_coefficient": 0.0,
    },
    "gspo": {  # Zheng et al. 2025, arXiv 2507.18071
        "loss.importance_ratio": "sequence",
        "loss.aggregation": "sequence_mean",
        "loss.clip_low": 3e-4,
        "loss.clip_high": 4e-4,
        "loss.dual_clip": None,
        "loss.kl_coefficient": 0.0,
    },
    "cispo": {  # MiniMax 2025, arXiv 2506.13585; cap and scale as in Khatri et al. 2025, arXiv 2510.13786
        "loss.surrogate": "cispo",
        "loss.clip_high": 5.0,
        "loss.advantage_scale": "batch",
        "loss.dual_clip": None,
        "loss.kl_coefficient": 0.0,
    },
    "sapo": {  # arXiv 2511.20347
        "loss.surrogate": "sapo",
        "loss.aggregation": "sequence_mean",
        "loss.dual_clip": None,
        "loss.kl_coefficient": 0.0,
    },
    "luspo": {  # arXiv 2602.05261
        "loss.importance_ratio": "sequence",
        "loss.aggregation": "sequence_sum",
        "loss.dual_clip": None,
        "loss.kl_coefficient": 0.0,
    },
    "vespo": {  # arXiv 2602.10693
        "loss.surrogate": "vespo",
        "loss.importance_ratio": "sequence",
        "loss.dual_clip": None,
        "loss.kl_coefficient": 0.0,
    },
    "rloo": {  # Ahmadian et al. 2024, arXiv 2402.14740
        "loss.baseline": "leave_one_out",
        "loss.advantage_scale": "none",
        "loss.importance_ratio": "sequence",
        "loss.aggregation": "sequence_mean",
        "loss.dual_clip": None,
        "loss.kl_placement": "reward",
        "loss.sampler_correction": "none",
    },
    "reinforce_pp": {  # Hu et al. 2025, arXiv 2501.03262, with the leave-one-out baseline of its group variant
        "loss.baseline": "leave_one_out",
        "loss.advantage_scale": "batch",
        "loss.importance_ratio": "sequence",
        "loss.aggregation": "sequence_mean",
        "loss.dual_clip": None,
        "loss.kl_placement": "reward",
        "loss.sampler_correction": "none",
    },
    "lite_ppo": {"loss.advantage_scale": "batch"},  # Liu et al. 2025, arXiv 2508.08221
}

REFUSED = {
    "ppo": "PPO trains a value model beside the policy, and TRL 1.16 has no trainer for that; rloo and reinforce_pp "
    "are the nearest without one",
    "remax": "ReMax takes the reward of a greedy completion as its baseline, and TRL 1.16 draws none; rloo is the "
    "nearest that it has",
}
