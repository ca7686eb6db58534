"""The policy that a trial trains: its weights and tokenizer, and the adapters where only those are trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from workers.environments.tool_calling import check_environment
from workers.flops import DecoderShape
from workers.spec import Lora, TrialSpec

if TYPE_CHECKING:
    from peft import LoraConfig

_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")
_TARGETS = {"attention": _ATTENTION, "all_linear": _ATTENTION + _FEED_FORWARD}


def load_tokenizer(spec: TrialSpec, folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer. SpecError where there is an environment that cannot be used, or that this model cannot."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, padding_side="left")
    if spec.environment is not None:
        check_environment(spec.environment, tokenizer, model=spec.model.name)
    return tokenizer


def policy_shape(folder: Path) -> DecoderShape:
    """What FLOPs follow from; reads no weights."""
    return DecoderShape.from_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))


def load_policy(spec: TrialSpec, folder: Path) -> PreTrainedModel:
    """The weights, from safetensors only, in the host's memory: the trainer puts them on its GPU, or shards them.

    Weights that are trained are float32 whatever the model computes in: in 16 bit, updates of a learning rate of 1e-6
    are lost to rounding. Those under adapters stay as they are and have the model's own precision.
    """
    dtype = torch.float32 if spec.lora is None else getattr(torch, spec.model.dtype)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True, trust_remote_code=False)


def lora_config(lora: Lora) -> LoraConfig:
    """The adapters in the words of PEFT. Without an `alpha` it is the rank: what they add counts once."""
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.rank if lora.alpha is None else lora.alpha,
        lora_dropout=0.0,
        target_modules=list(_TARGETS[lora.targets]),
        bias="none",
        task_type="CAUSAL_LM",
    )
