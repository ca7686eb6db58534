"""A trial's recipe in the words of TRL 1.16: every setting that matters is set, none is left to a default.

One step here is one rollout block; TRL's `global_step` counts optimizer updates, `Algorithm.updates_per_block` to a
block.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.micro_batches import micro_batch, share_of_update
from workers.spec import TrialSpec
from workers.training.trl_losses import loss_settings, trl_trainer

if TYPE_CHECKING:
    from workers.generation.server import ServerPorts

_NEVER = 10**9
_PATIENCE_SECONDS = 6 * 3600
_SERVER_ANSWERS_IN_SECONDS = 60.0  # it was healthy when the trainer was built
_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


def trl_settings(
    spec: TrialSpec,
    *,
    engine: str,
    num_steps: int | None,
    max_prompt_tokens: int,
    output_folder: Path,
    on_cpu: bool,
    server: ServerPorts | None = None,
) -> dict[str, Any]:
    """Keyword arguments of `trl.GRPOConfig` or `trl.RLOOConfig` for a trial.

    `num_steps` are those of the last budget, where they are known. `server` is told to the process that talks to it.
    """
    return (
        _batch(spec)
        | _horizon(spec, num_steps)
        | loss_settings(spec.algorithm)
        | _optimizer(spec)
        | _sampling(spec)
        | _models(spec)
        | _engine(spec, engine, max_prompt_tokens, server)
        | _processes(spec, on_cpu)
        | _housekeeping(spec, output_folder)
    )


def _batch(spec: TrialSpec) -> dict[str, Any]:
    per_pass = micro_batch(spec)
    accumulation = share_of_update(spec) // per_pass
    return {
        "per_device_train_batch_size": per_pass,
        "gradient_accumulation_steps": accumulation,
        "steps_per_generation": accumulation * spec.algorithm.updates_per_step,
        "num_generations": spec.algorithm.group_size,
        # Data come in the order in which they are given: a curriculum, or a stream that is already shuffled.
        "shuffle_dataset": False,
    }


def _horizon(spec: TrialSpec, num_steps: int | None) -> dict[str, Any]:
    return {
        # Where the last step is not known before it is taken, our own callback ends the training.
        "max_steps": _NEVER if num_steps is None else num_steps * spec.algorithm.updates_per_block,
        # Saving, scoring and stopping are decided at block ends, by our own callback.
        "save_strategy": "no",
        "eval_strategy": "no",
        "logging_strategy": "steps",
        "logging_steps": 1,
        # A NaN must be seen, not replaced by the mean of earlier losses.
        "logging_nan_inf_filter": False,
    }


def _optimizer(spec: TrialSpec) -> dict[str, Any]:
    optimizer = spec.optimizer
    return {
        "optim": "adamw_torch",
        "learning_rate": optimizer.learning_rate,
        "lr_scheduler_type": _SCHEDULES[optimizer.schedule],
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
        "min_p": None,
        "repetition_penalty": 1.0,
    }


def _models(spec: TrialSpec) -> dict[str, Any]:
    has_own_reference = spec.algorithm.kl_coefficient > 0 and spec.lora is None
    # The policy is loaded by us; what is said to TRL of loading concerns the reference alone.
    reference = {"dtype": spec.algorithm.reference_dtype, "use_safetensors": True}
    return {
        "model_init_kwargs": reference if has_own_reference else None,
        "disable_dropout": True,
        "sync_ref_model": False,
        "trust_remote_code": False,
    }


def _engine(spec: TrialSpec, engine: str, max_prompt_tokens: int, server: ServerPorts | None) -> dict[str, Any]:
    if engine == "transformers":
        return {"use_vllm": False}
    from workers.generation.vllm_engine import importance_sampling_settings

    settings = _colocated(spec, max_prompt_tokens) if spec.execution.server_gpus is None else _by_server(server)
    if trl_trainer(spec.algorithm) == "rloo":
        return settings
    algorithm = spec.algorithm
    return settings | importance_sampling_settings(algorithm.sampler_correction, cap=algorithm.sampler_correction_cap)


def _colocated(spec: TrialSpec, max_prompt_tokens: int) -> dict[str, Any]:
    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        # Else the engine reserves memory for the longest sequence that the model could ever take.
        "vllm_max_model_length": max_prompt_tokens + spec.sampling.max_completion_tokens,
        "vllm_gpu_memory_utilization": spec.execution.engine_memory_share,
        "vllm_enable_sleep_mode": bool(spec.execution.sleep_mode),
        "vllm_tensor_parallel_size": spec.execution.tensor_parallel or 1,
    }


def _by_server(server: ServerPorts | None) -> dict[str, Any]:
    """Lengths, memory and parallelism are the server's own affair: `workers.generation.server_command`."""
    settings = {"use_vllm": True, "vllm_mode": "server", "vllm_tensor_parallel_size": 1}
    if server is None:  # the first process talks to it, for all
        return settings
    return settings | {
        "vllm_server_base_url": server.url,
        "vllm_server_timeout": _SERVER_ANSWERS_IN_SECONDS,
        "vllm_group_port": server.weight_group,
    }


def _processes(spec: TrialSpec, on_cpu: bool) -> dict[str, Any]:
    """How several processes share the weights: in full on CPUs, a share of each on GPUs."""
    settings: dict[str, Any] = {
        "use_cpu": on_cpu,
        # The others wait in a collective while one process of the trial does something alone.
        "ddp_timeout": _PATIENCE_SECONDS,
        "ddp_find_unused_parameters": False,
        "gradient_checkpointing": spec.execution.gradient_checkpointing,
    }
    if spec.execution.num_processes == 1:
        return settings
    if on_cpu:
        return settings | {"ddp_backend": "gloo"}
    return settings | {
        # Under FSDP this one would gather every layer's weights once more.
        "gradient_checkpointing": False,
        "fsdp": True,
        "fsdp_config": {
            "fsdp_version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "reshard_after_forward": True,
            "state_dict_type": "FULL_STATE_DICT",
            "activation_checkpointing": spec.execution.gradient_checkpointing,
        },
    }


def _housekeeping(spec: TrialSpec, output_folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(output_folder),
        "seed": spec.seed,
        "data_seed": spec.seed,
        "bf16": spec.model.dtype == "bfloat16",
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "log_completions": False,
    }
