"""A step's row, from what was measured beside TRL and what TRL logged of its updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from db.records import StepRecord
from workers.executed_flops import EXECUTED_FORMULA_VERSION
from workers.flops import FORMULA_VERSION, BlockFlops
from workers.milestones import Progress
from workers.peak_memory import peak_memory_bytes

if TYPE_CHECKING:
    from workers.training.block_observer import BlockObserver

# TRL's names of what a step row holds. A metric that TRL did not log is NULL.
_TRL_METRICS = {
    "loss": "loss",
    "reward": "reward",
    "reward_std": "reward_std",
    "zero_variance_share": "frac_reward_zero_std",
    "kl": "kl",
    "entropy": "entropy",
    "clipped_share": "clip_ratio/region_mean",
    "gradient_norm": "grad_norm",
    "mean_completion_tokens": "completions/mean_length",
    "max_completion_tokens": "completions/max_length",
    "truncated_share": "completions/clipped_ratio",
    "sampling_logprob_difference": "sampling/sampling_logp_difference/mean",
}


def step_row(
    before: Progress,
    now: Progress,
    block: BlockObserver,
    *,
    needed: BlockFlops,
    executed: BlockFlops | None,
    updates: Sequence[Mapping[str, float]],
    seconds: float,
    nominal_params: float | None,
    has_tools: bool,
) -> StepRecord:
    """The row of the step that led from `before` to `now`; `seconds` are of the whole step."""
    timed = block.seconds
    return StepRecord(
        step=now.step,
        samples=now.samples - before.samples,
        prompt_tokens=sum(prompt for prompt, _ in block.lengths),
        completion_tokens=sum(completion for _, completion in block.lengths),
        completions=len(block.lengths),
        trained_completions=len(block.trained_lengths),
        cumulative_samples=now.samples,
        cumulative_tokens=now.tokens,
        cumulative_flops=now.flops,
        cumulative_paper_flops=None if nominal_params is None else 6.0 * nominal_params * now.tokens,
        cumulative_seconds=now.seconds,
        cumulative_gpu_seconds=now.gpu_seconds,
        generation_flops=needed.generation,
        old_logprob_flops=needed.old_logprob,
        reference_flops=needed.reference,
        train_flops=needed.train,
        flops_version=FORMULA_VERSION,
        step_seconds=seconds,
        generation_seconds=timed["generation"],
        logprob_seconds=timed["logprob"],
        reward_seconds=timed["reward"],
        update_seconds=seconds - sum(timed[phase] for phase in ("generation", "logprob", "reward")),
        learning_rate=updates[-1].get("learning_rate"),
        peak_memory_bytes=peak_memory_bytes(),
        **_executed(executed),
        **_verdicts(block),
        tool_calls=block.tool_calls if has_tools else None,
        failed_tool_calls=block.failed_tool_calls if has_tools else None,
        **_logged(updates),
    )


def _executed(flops: BlockFlops | None) -> dict[str, Any]:
    if flops is None:
        return {}
    return {
        "executed_generation_flops": flops.generation,
        "executed_old_logprob_flops": flops.old_logprob,
        "executed_reference_flops": flops.reference,
        "executed_train_flops": flops.train,
        "executed_flops_version": EXECUTED_FORMULA_VERSION,
    }


def _verdicts(block: BlockObserver) -> dict[str, int]:
    """Completions that are wrong, or worth nothing known, for another reason than a wrong answer."""
    return {
        "unanswered_completions": sum(each.no_answer for each in block.verdicts),
        "reward_exceptions": sum(each.exceptions for each in block.verdicts),
        "reward_timeouts": sum(each.timed_out for each in block.verdicts),
    }


def _logged(updates: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {column: _mean(updates, metric) for column, metric in _TRL_METRICS.items()}


def _mean(updates: Sequence[Mapping[str, float]], metric: str) -> float | None:
    """Mean over the updates that logged `metric`: TRL logs what concerns the whole block in its first update."""
    values = [update[metric] for update in updates if update.get(metric) is not None]
    return fmean(values) if values else None
