"""What the workers of a vLLM server tell of the weights that they hold: a digest of each.

`WeightDigests` is named on the server's command line; vLLM makes it a part of its workers and calls its method when
the trainer asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

# By name: shape, precision as in `torch.bfloat16` without the module, and digest.
Digests = dict[str, tuple[list[int], str, str]]


class WeightDigests:
    """An extension of vLLM's workers, which give their model."""

    get_model: Callable[[], Any]

    def weight_digests(self) -> Digests:
        return {
            name: (list(weight.shape), str(weight.dtype).removeprefix("torch."), digest(weight))
            for name, weight in self.get_model().named_parameters()
        }


def digest(weight: Tensor) -> str:
    """The same for two weights only if they are equal to the last bit, in shape apart."""
    import torch

    numbers = weight.detach().contiguous().flatten().view(torch.uint8).cpu().numpy()
    return hashlib.sha256(numbers.data).hexdigest()
