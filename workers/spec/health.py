"""When a trial is not worth going on with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from workers.spec.values import PositiveFloat, PositiveInt, Probability, Strict


class Health(Strict):
    """Gates: a trial ends, its outcome named, once one of them has been passed in `patience_steps` steps in a row.

    KL to the reference and entropy are means per completion token, in nats; the gradient norm is that before clipping.
    `max_reward_drop` is how much of the best mean reward, over as many steps, may be lost again. A trial without a
    sign of progress for `stall_minutes` is ended as failed. None is no gate.

    Gates belong to the execution: until one ends it, a trial is the same with and without them.
    """

    max_kl: PositiveFloat | None = None
    min_entropy: PositiveFloat | None = None
    max_gradient_norm: PositiveFloat | None = None
    max_truncated_share: Probability | None = None
    max_zero_variance_share: Probability | None = None
    max_logprob_difference: PositiveFloat | None = None
    max_reward_drop: Annotated[float, Field(gt=0, lt=1)] | None = None
    patience_steps: PositiveInt = 10
    stall_minutes: PositiveFloat | None = None
