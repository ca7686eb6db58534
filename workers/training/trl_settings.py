"""A trial's recipe in the words of TRL 1.16: every setting that matters is set, none is left to a default.

One step here is one rollout block; TRL's `global_step` counts optimizer updates, `updates_per_step` to a block.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workers.spec import TrialSpec

_SCHEDULE = "constant_with_warmup"


def trl_settings(
    spec: TrialSpec,
    *,
    engine: str,
    num_steps: int,
    max_prompt_tokens: int,
    output_folder: Path,
    num_processes: int = 1,
) -> dict[str, Any]:
    """Keyword arguments of `trl.GRPOConfig` for a trial on `num_processes` processes."""
    return (
        _batch(spec, num_processes)
        | _horizon(spec, num_steps)
        | _loss(spec)
        | _optimizer(spec)
        | _sampling(spec)
        | _engine(spec, engine, max_prompt_tokens)
        | _housekeeping(spec, output_folder)
    )


def micro_batch(spec: TrialSpec, num_processes: int) -> int:
    """Completions in one forward and backward pass of one process."""
    return spec.execution.micro_batch or _completions_per_update(spec) // num_processes


def _completions_per_update(spec: TrialSpec) -> int:
    return spec.algorithm.completions_per_step // spec.algorithm.updates_per_step


def _batch(spec: TrialSpec, num_processes: int) -> dict[str, Any]:
    per_pass = micro_batch(spec, num_processes)
    accumulation = _completions_per_update(spec) // (per_pass * num_processes)
    return {
        "per_device_train_batch_size": per_pass,
        "gradient_accumulation_steps": accumulation,
        "steps_per_generation": accumulation * spec.algorithm.updates_per_step,
        "num_generations": spec.algorithm.group_size,
        "num_iterations": 1,
        # Data come in the order in which they are given: a curriculum, or a stream that is already shuffled.
        "shuffle_dataset": False,
    }


def _horizon(spec: TrialSpec, num_steps: int) -> dict[str, Any]:
    return {
        "max_steps": num_steps * spec.algorithm.updates_per_step,
        # Saving, scoring and stopping are decided at block ends, by our own callback.
        "save_strategy": "no",
        "eval_strategy": "no",
        "logging_strategy": "steps",
        "logging_steps": 1,
        # A NaN must be seen, not replaced by the mean of earlier losses.
        "logging_nan_inf_filter": False,
    }


def _loss(spec: TrialSpec) -> dict[str, Any]:
    algorithm = spec.algorithm
    return {
        "loss_type": {"token_mean": "dapo"}[algorithm.aggregation],
        "epsilon": algorithm.clip_low,
        "epsilon_high": algorithm.clip_high,
        "beta": algorithm.kl_coefficient,
        # TRL 1.16 multiplies the KL term by the importance ratio by default, which changes its gradient.
        "use_bias_correction_kl": False,
        "scale_rewards": algorithm.advantage_scale,
        "importance_sampling_level": "token",
    }


def _optimizer(spec: TrialSpec) -> dict[str, Any]:
    optimizer = spec.optimizer
    return {
        "optim": "adamw_torch",
        "learning_rate": optimizer.learning_rate,
        "lr_scheduler_type": _SCHEDULE,
        "warmup_steps": optimizer.warmup_steps,
        "adam_beta1": optimizer.adam_beta1,
        "adam_beta2": optimizer.adam_beta2,
        "adam_epsilon": 1e-8,
        "weight_decay": optimizer.weight_decay,
        "max_grad_norm": optimizer.max_grad_norm,
    }


def _sampling(spec: TrialSpec) -> dict[str, Any]:
    return {
        "max_completion_length": spec.sampling.max_completion_tokens,
        "temperature": spec.sampling.temperature,
        "top_p": spec.sampling.top_p,
        "top_k": 0,
    }


def _engine(spec: TrialSpec, engine: str, max_prompt_tokens: int) -> dict[str, Any]:
    if engine == "transformers":
        return {"use_vllm": False}
    from workers.generation.vllm_engine import importance_sampling_settings

    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        # Else the engine reserves memory for the longest sequence that the model could ever take.
        "vllm_max_model_length": max_prompt_tokens + spec.sampling.max_completion_tokens,
        "vllm_gpu_memory_utilization": spec.execution.gpu_memory_utilization,
    } | importance_sampling_settings("off")


def _housekeeping(spec: TrialSpec, output_folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(output_folder),
        "seed": spec.seed,
        "data_seed": spec.seed,
        "bf16": spec.model.dtype == "bfloat16",
        "gradient_checkpointing": spec.execution.gradient_checkpointing,
        "disable_dropout": True,
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "log_completions": False,
        "trust_remote_code": False,
    }
