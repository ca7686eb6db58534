"""How a policy is updated, and how its completions are drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workers.spec.values import Count, Decay, PositiveFloat, PositiveInt, Strict


class Optimizer(Strict):
    """AdamW. The learning rate rises over `warmup_steps` updates, then is constant or falls until the last budget.

    Weight decay is of all weights, biases and norms too.
    """

    learning_rate: PositiveFloat
    warmup_steps: Count = 0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    adam_beta1: Decay = 0.9
    adam_beta2: Decay = 0.999
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0


class Sampling(Strict):
    """How completions are drawn while training."""

    max_completion_tokens: PositiveInt
    temperature: PositiveFloat = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
