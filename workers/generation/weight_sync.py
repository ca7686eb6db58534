"""Does an engine hold the policy's weights? They are compared, number by number.

Log-probabilities cannot tell in bfloat16: an update with a learning rate of 1e-6 moves them less than rounding does.
The weights can: of the millions of numbers in a matrix, some round differently after any update. So after the trial's
first update the engine's matrices must equal the policy's in the engine's own precision, to the last bit. Those of a
server are compared by their digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from db.errors import EngineError
from workers.generation.server_weights import digest

if TYPE_CHECKING:
    from torch import Tensor

    from workers.generation.server_weights import Digests


def check_first_sync(trainer: Any) -> None:
    """Have `trainer` compare the weights right after the first sync that follows an update, once.

    The comparison raises EngineError, naming a weight, where the engine holds another one, or none to compare with.
    """
    generation = trainer.vllm_generation
    sync = generation.sync_weights
    begun_at = trainer.state.global_step

    def sync_and_check() -> None:
        sync()
        if trainer.state.global_step > begun_at:
            del generation.sync_weights  # from here on TRL's own
            check = check_served_weights if generation.mode == "server" else check_same_weights
            check(trainer)

    generation.sync_weights = sync_and_check


def check_same_weights(trainer: Any) -> None:
    """Raise EngineError unless every matrix that both hold in the same form is the same in both."""
    from workers.generation.vllm_engine import engine_model

    generation = trainer.vllm_generation
    held = dict(engine_model(generation.llm).named_parameters())
    rank = trainer.accelerator.process_index % generation.tensor_parallel_size
    compared, different = 0, []
    # To the end, whatever is found: every process takes part.
    for name, weight in generation._iter_named_params():
        mine = held.get(name)
        part = None if mine is None else _part(weight, mine.shape, rank)
        if mine is None or part is None:
            continue
        compared += 1
        if not part.to(mine.dtype).equal(mine.to(part.device)):
            different.append(name)
    _judge(compared, different)


def check_served_weights(trainer: Any) -> None:
    """The same of a server, whose workers tell the digests of what they hold. Every process of the trial takes part."""
    generation = trainer.vllm_generation
    held: list[Digests] = []
    if trainer.accelerator.is_main_process:
        client = generation.vllm_client
        held = client._post(f"{client.base_url}/collective_rpc", json={"method": "weight_digests"})["results"]
    compared, different = 0, []
    for name, weight in generation._iter_named_params():
        found = same_in_all(name, weight, held)
        compared += found is not None
        if found is False:
            different.append(name)
    if trainer.accelerator.is_main_process:
        _judge(compared, different)


def same_in_all(name: str, weight: Tensor, held: Sequence[Digests]) -> bool | None:
    """Whether each worker of a server holds its part of a weight; None where one has it in another form, or not."""
    import torch

    found = []
    for rank, digests in enumerate(held):
        if name not in digests:
            return None
        shape, dtype, theirs = digests[name]
        part = _part(weight, torch.Size(shape), rank)
        if part is None:
            return None
        found.append(digest(part.to(getattr(torch, dtype))) == theirs)
    return all(found) if found else None


def _judge(compared: int, different: Sequence[str]) -> None:
    if different or not compared:
        what = f"{len(different)} of {compared} weights differ, {different[0]} first" if different else "none could be"
        raise EngineError(
            f"After the first update the engine's weights were compared with the policy's: {what}. It samples from "
            "stale weights. Discard this trial's results and rerun it with `engine: transformers`; please report the "
            "versions of TRL, vLLM and torch."
        )


def _part(weight: Tensor, held: Sequence[int], rank: int) -> Tensor | None:
    """What a tensor-parallel rank holds of a weight: all, or its share of the inputs; None: in another form."""
    if tuple(weight.shape) == tuple(held):
        return weight.detach()
    is_split_by_inputs = weight.dim() == len(held) == 2 and weight.shape[0] == held[0]
    if is_split_by_inputs and weight.shape[1] % held[1] == 0:
        return weight.detach()[:, rank * held[1] : (rank + 1) * held[1]]
    return None
