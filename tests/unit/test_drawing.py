"""What a block is drawn with, and where it lies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from workers.training.block_layout import BlockLayout
from workers.training.dynamic_sampling import informative_block
from workers.training.prompt_stream import Share
from workers.training.trainers import BlockGRPOTrainer


def drawing(block: int, *, draws_before: int = 0) -> tuple[list[float], list[float]]:
    """Numbers of torch's generator and of NumPy's, while a block is drawn."""
    trainer: Any = SimpleNamespace(
        state=SimpleNamespace(global_step=block), layout=SimpleNamespace(updates=1), num_iterations=1,
        accelerator=SimpleNamespace(process_index=0), use_vllm=False, args=SimpleNamespace(seed=3),
        _draws_of_block=draws_before - 1, _block=block,
    )  # fmt: skip
    with BlockGRPOTrainer._drawing(trainer):
        return torch.rand(3).tolist(), np.random.random(3).tolist()


def test_draws_are_decided_by_seed_block_and_draw_and_disturb_nothing() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    expected = torch.rand(2).tolist() + np.random.random(2).tolist()
    torch.manual_seed(0)
    np.random.seed(0)
    first = drawing(4)
    assert torch.rand(2).tolist() + np.random.random(2).tolist() == expected
    assert drawing(4) == first
    for other in (drawing(5), drawing(4, draws_before=1)):
        assert other[0] != first[0]
        assert other[1] != first[1], "an engine on a GPU takes its seeds from there"


def test_a_block_of_several_draws_lies_where_the_policy_does() -> None:
    layout = BlockLayout(prompts=2, group_size=2, updates=1)
    stream: Any = SimpleNamespace(take=lambda count: [{"prompt": "?"}] * count, position=2)

    def draw(rows: list[dict[str, Any]]) -> tuple[dict[str, Any], torch.Tensor]:
        ones = torch.ones(len(rows), 3, dtype=torch.long)
        batch = {
            "prompt_ids": ones, "prompt_mask": ones, "completion_ids": ones, "completion_mask": ones,
            "advantages": torch.zeros(len(rows)), "num_items_in_batch": torch.tensor(1),
        }  # fmt: skip
        return batch, torch.tensor([0.0, 1.0] * (len(rows) // 2))

    block = informative_block(
        draw, stream, layout=layout, share=Share(0, 1), pad_token=0, device=torch.device("meta")
    )  # fmt: skip
    assert {name: value.device.type for name, value in block.items()} == dict.fromkeys(block, "meta")
