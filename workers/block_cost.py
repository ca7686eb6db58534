"""What a rollout block costs: the FLOPs that its algorithm needed, and those that this machine did for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from workers.executed_flops import Attention, executed_flops
from workers.flops import BlockFlops, DecoderShape, Lora, block_flops
from workers.generation.engine import Engine
from workers.spec import TrialSpec
from workers.training.trl_losses import needs_old_logprobs

if TYPE_CHECKING:
    from workers.training.block_observer import BlockObserver


@dataclass(frozen=True)
class BlockCost:
    """Costs the blocks of one trial, run like this."""

    spec: TrialSpec
    shape: DecoderShape
    engine: Engine
    on_cuda: bool

    def needed(self, block: BlockObserver) -> BlockFlops:
        """What the algorithm needed, whichever engine drew: see `needs_old_logprobs`."""
        algorithm = self.spec.algorithm
        return block_flops(
            self.shape,
            block.lengths,
            trained_lengths=block.trained_lengths,
            has_old_logprobs=needs_old_logprobs(algorithm),
            has_reference=block.has("reference"),
            num_epochs=algorithm.epochs_per_step,
            lora=Lora.from_spec(self.spec.lora),
        )

    def executed(self, block: BlockObserver, attention: str) -> BlockFlops | None:
        """What all processes of the trial did; None for a kind of attention whose cost is not known.

        `attention` is the policy's, as transformers names it.
        """
        if attention not in get_args(Attention):
            return None
        return executed_flops(
            self.shape,
            block,
            engine=self.engine,
            group_size=self.spec.algorithm.group_size,
            gradient_checkpointing=self.spec.execution.gradient_checkpointing,
            lora=Lora.from_spec(self.spec.lora),
            on_cuda=self.on_cuda,
            attention=attention,  # type: ignore[arg-type]
        )
