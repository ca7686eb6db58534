"""Training from a checkpoint, or from the base, until the callback says that it is enough.

All processes of a trial do this, the leader and its followers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from transformers import PreTrainedTokenizerBase

from workers.environments.tool_calling import longest_prompt
from workers.generation.engine import Engine, engine_settings, running_engine
from workers.generation.server import ServerPorts
from workers.milestones import last_step
from workers.spec import TrialSpec
from workers.training.block_observer import BlockObserver
from workers.training.build import build_trainer
from workers.training.policies import load_policy
from workers.training.prompt_stream import PromptStream
from workers.training.reward_function import reward_function
from workers.training.trl_settings import trl_settings

if TYPE_CHECKING:
    from workers.trial_data import TrialData


class Callback(Protocol):
    """TRL's callback of a trial, with what it shares with the trainer."""

    observer: BlockObserver
    stream: PromptStream


def train(
    spec: TrialSpec,
    callback: Callback,
    *,
    engine: Engine,
    base_folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    data: TrialData,
    checkpoint: Path | None,
    staging: Path,
    server: ServerPorts | None = None,
) -> None:
    """`staging` is where checkpoints are written before they are whole, the same for all processes of the trial.

    `server` is where the trial's own vLLM server is, in the process that talks to it.
    """
    settings = trl_settings(
        spec,
        engine=engine,
        num_steps=last_step(spec.budget, spec.algorithm),
        max_prompt_tokens=_longest_prompt(spec, data, tokenizer),
        output_folder=staging,
        on_cpu=not torch.cuda.is_available(),
        server=server,
    )
    with engine_settings(spec, engine):
        trainer = build_trainer(
            spec,
            load_model=partial(load_policy, spec, base_folder),
            tokenizer=tokenizer,
            stream=callback.stream,
            reward=reward_function(data.judge, mode=spec.data.rewards, observer=callback.observer),
            settings=settings,
            callback=callback,
            observer=callback.observer,
        )
    with running_engine(trainer, engine):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _longest_prompt(spec: TrialSpec, data: TrialData, tokenizer: PreTrainedTokenizerBase) -> int:
    """With the tools that prompts describe, and what an environment may add to them."""
    if spec.environment is None:
        return data.longest_prompt
    observation = spec.data.max_prompt_tokens if spec.environment.factory else 0
    return observation + longest_prompt(spec.environment, tokenizer, longest=data.longest_prompt)
