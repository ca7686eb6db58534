"""What the metrics of verl and of TRL mean here.

Only metrics whose definition is ours are taken: verl's `actor/ppo_kl` is no KL to the reference, and its differences
of probabilities are none of log-probabilities. The names are those of verl's `compute_data_metrics`,
`compute_timing_metrics` and `process_validation_metrics`, and of TRL's `GRPOTrainer` under Transformers' prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from exchange.importing.fields import FIELDS
from exchange.importing.mapping import Target, Value

TOKENS = "sum of perf/total_num_tokens"
SECONDS = "sum of the steps' seconds"
PROMPT_TOKENS = "prompt share of perf/total_num_tokens"
COMPLETION_TOKENS = "response share of perf/total_num_tokens"
STEP_SECONDS = "timing_s/step without timing_s/testing"
LOGPROB_SECONDS = "timing_s/old_log_prob + timing_s/ref"

# Metric -> field. Where several mean the same field, the first that a log has counts.
_NAMES = {
    TOKENS: "tokens",
    SECONDS: "seconds",
    PROMPT_TOKENS: "prompt_tokens",
    COMPLETION_TOKENS: "completion_tokens",
    STEP_SECONDS: "step_seconds",
    LOGPROB_SECONDS: "logprob_seconds",
    # verl
    "critic/rewards/mean": "reward",
    "critic/score/mean": "reward",
    "actor/kl_loss": "kl",
    "actor/reward_kl_penalty": "kl",
    "critic/kl": "kl",
    "actor/entropy": "entropy",
    "actor/entropy_loss": "entropy",
    "actor/pg_clipfrac": "clipped_share",
    "actor/grad_norm": "gradient_norm",
    "actor/pg_loss": "loss",
    "actor/lr": "step_learning_rate",
    "response_length/mean": "mean_completion_tokens",
    "response_length/max": "max_completion_tokens",
    "response_length/clip_ratio": "truncated_share",
    "timing_s/step": "step_seconds",
    "timing_s/gen": "generation_seconds",
    "timing_s/old_log_prob": "logprob_seconds",
    "timing_s/reward": "reward_seconds",
    "timing_s/update_actor": "update_seconds",
    # TRL
    "train/num_tokens": "tokens",
    "train/reward": "reward",
    "train/reward_std": "reward_std",
    "train/frac_reward_zero_std": "zero_variance_share",
    "train/kl": "kl",
    "train/entropy": "entropy",
    "train/loss": "loss",
    "train/grad_norm": "gradient_norm",
    "train/learning_rate": "step_learning_rate",
    "train/clip_ratio/region_mean": "clipped_share",
    "train/clip_ratio": "clipped_share",
    "train/completions/mean_length": "mean_completion_tokens",
    "train/completion_length": "mean_completion_tokens",
    "train/completions/max_length": "max_completion_tokens",
    "train/completions/clipped_ratio": "truncated_share",
    "train/sampling/sampling_logp_difference/mean": "sampling_logprob_difference",
    "train/step_time": "step_seconds",
}
_VERL_SCORE = re.compile(r"val-core/(?P<benchmark>.+)/(?:acc|reward)/mean@(?P<samples>\d+)")
_OLD_VERL_SCORE = re.compile(r"val/test_score/(?P<benchmark>.+)")


def meaning_of(metrics: Iterable[str]) -> tuple[dict[str, Target], dict[str, Value]]:
    """Targets of the metrics that are known, in order of preference, and what their names say of the scores."""
    present = list(dict.fromkeys(metrics))
    targets = {name: Target(FIELDS[field]) for name, field in _NAMES.items() if name in present}
    facts: dict[str, Value] = {}
    for name in present:
        if found := _VERL_SCORE.fullmatch(name):
            benchmark, samples = found["benchmark"], int(found["samples"])
            facts |= {
                f"protocol@{benchmark}": f"verl-mean@{samples}",
                f"samples_per_problem@{benchmark}": float(samples),
            }
            targets[name] = Target(FIELDS["score"], benchmark)
        elif found := _OLD_VERL_SCORE.fullmatch(name):
            facts.setdefault(f"protocol@{found['benchmark']}", "verl-test-score")
            targets.setdefault(name, Target(FIELDS["score"], found["benchmark"]))
    return targets, facts
