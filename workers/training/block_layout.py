"""Which completions of a block belong to which process and to which optimizer update.

An update takes consecutive prompts with all their completions, so that what is learned does not depend on how many
processes share the work. TRL gives every process a contiguous share of the block, and spends that share in order; so
the block's prompts are handed to it in an order in which each process's share is its part of every update.
"""

from __future__ import annotations

from dataclasses import dataclass

from db.errors import SpecError


@dataclass(frozen=True)
class BlockLayout:
    """A block of `prompts` groups of `group_size` completions, in `updates` updates, on `processes` processes.

    Raises SpecError where a process would have to share a group with another.
    """

    prompts: int
    group_size: int
    updates: int
    processes: int = 1

    def __post_init__(self) -> None:
        if self.prompts % (self.updates * self.processes):
            raise SpecError(
                f"prompts_per_step {self.prompts} in updates_per_step {self.updates} cannot be shared by "
                f"{self.processes} processes: each needs whole groups of every update; take another number of GPUs"
            )

    @property
    def prompt_order(self) -> list[int]:
        """Places in the block of its prompts, in the order in which TRL is given them."""
        each = self.prompts // (self.updates * self.processes)  # prompts of one process in one update
        return [
            (update * self.processes + process) * each + number
            for process in range(self.processes)
            for update in range(self.updates)
            for number in range(each)
        ]

    @property
    def completion_order(self) -> list[int]:
        """Places in the block of its completions, in the order of the processes' shares."""
        return [
            prompt * self.group_size + sibling for prompt in self.prompt_order for sibling in range(self.group_size)
        ]

    def places_of(self, process: int) -> list[int]:
        """Places in the block of one process's completions, in its order."""
        share = self.prompts * self.group_size // self.processes
        return self.completion_order[process * share : (process + 1) * share]
