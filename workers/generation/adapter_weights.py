"""What an engine is to hold of a policy with adapters: base and adapters together, computed beside the policy.

TRL merges the adapters into the policy's own weights, sends them and subtracts the adapters again. Rounding does not
come undone: half of the numbers of a base in bfloat16 would have changed after a hundred syncs, and with them the
reference, which is the policy without its adapters. Here the base is only read, one matrix at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.distributed.tensor import DTensor


def send_merged_copies(generation: Any) -> None:
    """Have TRL's `VLLMGeneration` take the weights of a policy with adapters from `merged_weights`."""
    from peft import PeftModel

    if isinstance(generation.model, PeftModel):
        generation._iter_named_params = partial(merged_weights, generation)


def merged_weights(generation: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight whole, by the name that vLLM has for it. Gathering shards is collective: every process iterates."""
    from peft.tuners.lora import LoraLayer

    model = generation.model
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)}
    for name, weight in model.named_parameters():
        if model.prefix in name or "original_module" in name:
            continue
        layer = layers.get(name.removesuffix(".base_layer.weight"))
        plain = name.removeprefix("base_model.model.").replace(".base_layer", "")
        with torch.no_grad():
            whole = _whole(weight.data)
            if layer is not None:
                # As PEFT merges: each sum is taken in the wider of the two precisions, and rounded once.
                for adapter in layer.active_adapters:
                    whole = (whole + _whole(layer.get_delta_weight(adapter))).to(weight.dtype)
        yield generation._fix_param_name_to_vllm(plain, extra_prefixes=["modules_to_save.default."]), whole


def _whole(weight: torch.Tensor) -> torch.Tensor:
    return weight.full_tensor() if isinstance(weight, DTensor) else weight
