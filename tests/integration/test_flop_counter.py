"""Executed FLOPs of real blocks by TRL, padded and all, against torch's counter, phase by phase.

By itself the counter does not see two kinds of products on a CPU: those that TRL's fused head adds in place in its
backward pass, and fused attention. It is told what they cost, by their shapes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from tests.tiny_training import Training, save_tiny_model, tiny_spec, tiny_training
from workers.executed_flops import Attention, executed_flops
from workers.flops import BlockFlops, DecoderShape, Lora, forward_flops, generation_flops
from workers.spec import TrialSpec
from workers.training.block_observer import BlockObserver

# A head that weighs as much as a layer, so that a mistake about it shows.
SIZES = {"vocab_size": 1024, "hidden_size": 96, "intermediate_size": 224, "head_dim": 32}
PROMPT_TOKENS = (9, 22, 14, 30)
# The counter also sees the outer product that makes the rotary angles, and nothing else that the formulas leave out.
ANGLES = 0.001

Shape = Sequence[int]


def product_added_in_place(_: Shape, a: Shape, b: Shape, **__: Any) -> int:
    return 2 * a[0] * a[1] * b[1]


def fused_attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def fused_attention_backward(out: Shape, query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    return int(sdpa_backward_flop_count(out, query, key, value))


UNSEEN = {
    torch.ops.aten.addmm_: product_added_in_place,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused_attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: fused_attention_backward,
}


def counted_by_phase(training: Training) -> BlockFlops:
    """What the counter sees of a training of one block. The first training step draws it and scores it."""
    seen: dict[str, int] = defaultdict(int)
    trainer = training.trainer

    def count(method: str, phase_of: Callable[..., str]) -> None:
        call = getattr(trainer, method)

        def counted(*args: Any, **kwargs: Any) -> Any:
            phase = phase_of(*args)
            with FlopCounterMode(display=False, custom_mapping=UNSEEN) as counter:
                result = call(*args, **kwargs)
            seen[phase] += counter.get_total_flops()
            return result

        setattr(trainer, method, counted)

    count("_generate", lambda *_: "generation")
    count("_get_per_token_logps_and_entropies", lambda model, *_: trainer._kind_of_pass(model))
    count("training_step", lambda *_: "step")
    trainer.train()
    before = {phase: float(seen[phase]) for phase in ("generation", "old_logprob", "reference")}
    return BlockFlops(**before, train=seen["step"] - sum(before.values()))


def one_block(
    family: str, tmp_path: Path, *, attention: Attention = "eager", tied: bool = False, **changes: Any
) -> tuple[BlockFlops, BlockFlops]:
    """What the counter sees of one block in two updates, with a KL, and what the formulas say."""
    folder = save_tiny_model(tmp_path / "model", family, tie_word_embeddings=tied, **SIZES)
    algorithm = {"updates_per_step": 2, "kl_coefficient": 0.01, "prompts_per_step": 4, "group_size": 2}
    spec = tiny_spec(folder, algorithm=algorithm, sampling={"max_completion_tokens": 24}, **changes)
    training = tiny_training(spec, folder, tmp_path / "out", blocks=1, stream=unequal_prompts())
    trainer = training.trainer
    for model in filter(None, (trainer.model, trainer.ref_model)):
        model.set_attn_implementation(attention)
    # Of a thousand tokens, sixty end a completion, so that few are as long as allowed.
    trainer.generation_config.eos_token_id = trainer.eos_token_ids = list(range(60))
    found = counted_by_phase(training)
    assert len(set(training.observer.lengths)) > 4, "lengths differ, so there is padding"
    return found, said_of(spec, training, attention)


def unequal_prompts() -> Any:
    from workers.training.prompt_stream import PromptStream

    texts = ["0123456789" * 3] * len(PROMPT_TOKENS)
    chats = [[{"role": "user", "content": t[: n - 2]}] for t, n in zip(texts, PROMPT_TOKENS, strict=True)]
    rows = [{"prompt": chat, "answer": "1", "data_source": "affine-lookup"} for chat in chats]
    return PromptStream(lambda start, stop: rows[start:stop])


def said_of(spec: TrialSpec, training: Training, attention: Attention) -> BlockFlops:
    return executed_flops(
        DecoderShape.from_config(training.trainer.model.config),
        training.observer,
        engine="transformers",
        group_size=spec.algorithm.group_size,
        gradient_checkpointing=spec.execution.gradient_checkpointing,
        lora=Lora.from_spec(spec.lora),
        on_cuda=False,
        attention=attention,
    )


@pytest.mark.parametrize(
    ("family", "tied"), [("qwen2", True), ("qwen2", False), ("qwen3", True), ("llama", False), ("mistral", True)]
)
def test_every_phase_of_a_padded_block_costs_what_the_counter_sees(family: str, tied: bool, tmp_path: Path) -> None:
    found, said = one_block(family, tmp_path, tied=tied)
    assert astuple(said) == pytest.approx(astuple(found), rel=ANGLES)


@pytest.mark.parametrize("targets", ["attention", "all_linear"])
@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_adapters_cost_what_the_counter_sees(targets: str, gradient_checkpointing: bool, tmp_path: Path) -> None:
    lora, execution = {"rank": 16, "targets": targets}, {"gradient_checkpointing": gradient_checkpointing}
    found, said = one_block("qwen2", tmp_path, lora=lora, execution=execution)
    assert astuple(said) == pytest.approx(astuple(found), rel=ANGLES)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_checkpointed_layers_are_run_again_up_to_their_last_matrix(attention: Attention, tmp_path: Path) -> None:
    execution = {"gradient_checkpointing": True}
    found, said = one_block("qwen2", tmp_path, attention=attention, execution=execution)
    assert astuple(said) == pytest.approx(astuple(found), rel=ANGLES)


def test_what_tools_answered_is_shared_by_no_sibling() -> None:
    shape = DecoderShape(896, 24, 14, 2, 64, 4864, 151_936)
    block = BlockObserver()
    first, second = ([(100, 50)] * 8, [(1150, 50)] * 8)  # said 50, was told 1000, says 50
    block.saw_draw([(1100, 100)] * 8, [tuple(first), tuple(second)])
    flops = executed_flops(
        shape, block, engine="vllm", group_size=8, gradient_checkpointing=False, lora=None, on_cuda=True
    )  # fmt: skip
    whole = 8 * generation_flops(shape, prompt_tokens=1100, completion_tokens=100)
    assert flops.generation == whole - 7 * forward_flops(shape, tokens=96, head_tokens=0)
