"""What each field of an import is, in words and units: the table of docs/import.md, and what it is made from.

`python -m exchange.importing.field_table` prints the table.
"""

from __future__ import annotations

from exchange.importing.fields import ALIASES, FIELDS

_SHARE = "share, 0 to 1"
_PER_STEP = "of this step alone"

# Field -> unit, meaning.
MEANINGS: dict[str, tuple[str, str]] = {
    "run": ("", "name of the run; rows with the same name are one run"),
    "model": ("", "name of the model that was trained"),
    "family": ("", "family of the model, such as Qwen2.5"),
    "variant": ("", "variant of the model, such as base or instruct"),
    "data": ("", "name of the training data"),
    "algorithm": ("", "name of the algorithm, such as grpo"),
    "num_params": ("parameters", "size of the model without embeddings: the N of a law"),
    "total_params": ("parameters", "size of the model with embeddings"),
    "nominal_params": ("parameters", "round size that the model is known by"),
    "seed": ("", "seed of the run"),
    "tau": ("passes", "how often each unique prompt is used"),
    "group_size": ("completions", "completions of each prompt in a step"),
    "prompts_per_step": ("prompts", "prompts of a step; gives samples where only steps are known, and the reverse"),
    "updates_per_step": ("updates", "optimizer updates in a step"),
    "kl_coefficient": ("", "weight of the divergence from the reference model"),
    "learning_rate": ("", "learning rate of the run; its peak, where there is a schedule"),
    "step": ("steps", "number of the step, from 1; 0 is before training"),
    "samples": ("prompts", "prompts seen, from the start through this step"),
    "tokens": ("tokens", "tokens of prompts and completions, from the start through this step"),
    "flops": ("FLOPs", "FLOPs of generating and training, from the start through this step"),
    "paper_flops": ("FLOPs", "6 x nominal_params x tokens, from the start through this step"),
    "seconds": ("seconds", "training time, from the start through this step"),
    "step_samples": ("prompts", f"prompts, {_PER_STEP}"),
    "prompt_tokens": ("tokens", f"tokens of prompts, {_PER_STEP}"),
    "completion_tokens": ("tokens", f"tokens of completions, {_PER_STEP}"),
    "generation_flops": ("FLOPs", f"FLOPs of generating, {_PER_STEP}"),
    "old_logprob_flops": ("FLOPs", f"FLOPs of the old policy's log-probabilities, {_PER_STEP}"),
    "reference_flops": ("FLOPs", f"FLOPs of the reference model, {_PER_STEP}"),
    "train_flops": ("FLOPs", f"FLOPs of the updates, {_PER_STEP}"),
    "step_seconds": ("seconds", f"time, {_PER_STEP}, without evaluation"),
    "generation_seconds": ("seconds", f"time of generating, {_PER_STEP}"),
    "logprob_seconds": ("seconds", f"time of the log-probabilities, {_PER_STEP}"),
    "reward_seconds": ("seconds", f"time of the rewards, {_PER_STEP}"),
    "update_seconds": ("seconds", f"time of the updates, {_PER_STEP}"),
    "loss": ("", "training loss: the objective that is minimised, not the test loss"),
    "reward": ("", "mean reward of the step's completions"),
    "reward_std": ("", "standard deviation of the rewards"),
    "zero_variance_share": (_SHARE, "groups whose completions all have the same reward"),
    "kl": ("nats", "divergence from the reference model"),
    "entropy": ("nats", "mean entropy of the policy, per token"),
    "clipped_share": (_SHARE, "tokens whose ratio was clipped"),
    "gradient_norm": ("", "norm of the gradient before clipping"),
    "step_learning_rate": ("", f"learning rate, {_PER_STEP}"),
    "mean_completion_tokens": ("tokens", "mean length of the completions"),
    "max_completion_tokens": ("tokens", "length of the longest completion"),
    "truncated_share": (_SHARE, "completions that were cut off at the longest length"),
    "sampling_logprob_difference": (
        "nats",
        "mean difference between the sampler's and the trainer's log-probabilities",
    ),
    "benchmark": ("", "name of the problems that were scored"),
    "protocol": ("", "how they were scored; `unstated` when not given"),
    "score": (_SHARE, "mean score, pass@1"),
    "test_loss": (_SHARE, "1 - score"),
    "problems": ("problems", "problems of the benchmark"),
    "samples_per_problem": (
        "completions",
        "completions of each problem; taken for 1 where successes are known and it is not given",
    ),
    "successes": ("completions", "completions that were right"),
    "standard_error": (_SHARE, "standard error of the score"),
    "evaluation_flops": ("FLOPs", "FLOPs of the evaluation"),
    "evaluation_seconds": ("seconds", "time of the evaluation"),
}
_LEVELS = {"run": "run", "step": "step", "evaluation": "score"}


def field_table() -> str:
    """The fields as a Markdown table, in the order of `FIELDS`."""
    lines = ["| field | of a | unit | meaning |", "|---|---|---|---|"]
    for name, field in FIELDS.items():
        unit, meaning = MEANINGS[name]
        others = ", ".join(f"`{alias}`" for alias, target in ALIASES.items() if target == name)
        told = f"{meaning} (also {others})" if others else meaning
        lines.append(f"| `{name}` | {_LEVELS[field.level]} | {unit} | {told} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(field_table(), end="")
