"""A trial's trainer, put together: the one place that knows both the specification and TRL's constructors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl.rewards import get_soft_overlong_punishment

from db.errors import SpecError
from workers.environments.offered import offered
from workers.spec import TrialSpec
from workers.training.block_layout import BlockLayout
from workers.training.block_observer import BlockObserver
from workers.training.policies import lora_config
from workers.training.prompt_stream import PromptStream
from workers.training.trainers import TRAINERS, BlockTrainer
from workers.training.trl_losses import trl_trainer

# What TRL calls with every completion of a draw and with the columns of its prompt's row; a number for each, or None.
RewardFunction = Callable[..., list[float | None]]


def build_trainer(
    spec: TrialSpec,
    *,
    load_model: Callable[[], PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    stream: PromptStream,
    reward: RewardFunction,
    settings: dict[str, Any],
    callback: TrainerCallback,
    observer: BlockObserver,
) -> BlockTrainer:
    """A trainer over the stream's prompts. `settings` are those of `trl_settings`.

    `load_model` is called once TRL's configuration stands: that says to transformers how processes share the weights.
    """
    trainer_class, config_class = TRAINERS[trl_trainer(spec.algorithm)]
    tools: dict[str, Any] = {}
    if spec.environment is not None:
        if settings.get("vllm_tensor_parallel_size", 1) > 1:  # the planner's choice, where the file has none
            raise SpecError("environment does not go with tensor parallelism; give `resources: {tensor_parallel: 1}`")
        settings = settings | {"max_tool_calling_iterations": spec.environment.max_turns}
        tools = offered(spec.environment).trl_arguments
    configuration = config_class(**settings)
    trainer = trainer_class(
        model=load_model(),
        reward_funcs=[reward, *_penalties(spec)],
        args=configuration,
        processing_class=tokenizer,
        callbacks=[callback],
        peft_config=lora_config(spec.lora) if spec.lora else None,
        observer=observer,
        layout=block_layout(spec),
        stream=stream,
        draws_anew=spec.algorithm.dynamic_sampling,
        **tools,
    )
    trainer.remove_callback(PrinterCallback)  # our callback records what it would print
    return trainer


def block_layout(spec: TrialSpec) -> BlockLayout:
    """Which completions each process has. Raises SpecError where groups cannot be dealt out whole."""
    return BlockLayout(
        prompts=spec.algorithm.prompts_per_step,
        group_size=spec.algorithm.group_size,
        updates=spec.algorithm.updates_per_step,
        processes=spec.execution.num_processes,
    )


def _penalties(spec: TrialSpec) -> list[RewardFunction]:
    """What is taken off the verdict: for completions in the last tokens before the limit, by equation 13 of DAPO."""
    soft = spec.algorithm.overlong_penalty_tokens
    return [] if soft is None else [get_soft_overlong_punishment(spec.sampling.max_completion_tokens, soft)]
