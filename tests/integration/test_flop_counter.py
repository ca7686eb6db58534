"""FLOP formulas against torch's counter, phase by phase, in real updates by TRL.

All completions are as long as allowed, so nothing is padded. Attention is eager: the counter does not see the fused
kernels of a CPU. It sees every pair of positions, where the formulas have the causal ones. It sees the head on every
position, since TRL's fused head looks at the labelled ones alone only on a GPU, and nothing of that head's backward
pass, which multiplies in place. Both are put right here, by what the code does and not by a tolerance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

from tests.tiny_training import FAMILIES, Training, save_tiny_model, tiny_spec, tiny_training
from workers.flops import DecoderShape, Lora, block_flops
from workers.spec import TrialSpec

# Large enough for the rotary angles and other trifles, which the formulas leave out, to be less than a hundredth.
SIZES = {"hidden_size": 96, "intermediate_size": 224, "head_dim": 32, "num_hidden_layers": 3}
COMPLETION = 24


def counted_by_phase(training: Training) -> dict[str, float]:
    """What the counter sees of one block."""
    seen: dict[str, float] = defaultdict(float)

    def counting(phase: Callable[..., str | None], call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            name = phase(*args)
            if name is None:
                return call(*args, **kwargs)
            with FlopCounterMode(display=False) as counter:
                result = call(*args, **kwargs)
            seen[name] += counter.get_total_flops()
            return result

        return counted

    trainer = training.trainer
    trainer._generate = counting(lambda *_: "generation", trainer._generate)
    trainer.training_step = counting(lambda *_: "train", trainer.training_step)

    def scoring(model: Any, *_: Any) -> str | None:
        kind: str = trainer._kind_of_pass(model)
        return None if kind == "train" else kind

    trainer._get_per_token_logps_and_entropies = counting(scoring, trainer._get_per_token_logps_and_entropies)
    block: list[dict[str, float]] = []
    make = trainer._next_block

    def next_block() -> Any:  # the first training step draws the block: that is not training
        made = make()
        block.append(dict(seen))
        return made

    trainer._next_block = next_block
    trainer.train()
    drawn = sum(block[0].values())
    return dict(seen) | {"train": seen["train"] - drawn}


def expected_by_phase(spec: TrialSpec, training: Training) -> dict[str, float]:
    """The formulas of one block, with what the counter sees otherwise."""
    shape = DecoderShape.from_config(training.trainer.model.config)
    lengths = training.observer.lengths
    assert {completion for _, completion in lengths} == {COMPLETION}, "nothing is padded"
    (prompt,) = {prompt for prompt, _ in lengths}
    rows, tokens = len(lengths), prompt + COMPLETION
    lora, has_reference = Lora.from_spec(spec.lora), training.observer.has("reference")
    flops = block_flops(shape, lengths, has_old_logprobs=True, has_reference=has_reference, lora=lora)
    pairs = rows * 2 * shape.attention_width * tokens * (tokens - 1)  # of all positions less the causal ones
    # Transformers draws through the adapters, where the formula has them merged, as vLLM has.
    adapters = rows * 2 * lora.weights(shape) * (tokens - 1) if lora else 0
    prefill = rows * 2 * shape.attention_width * prompt * (prompt - 1)
    unlabelled = rows * 2 * shape.head_weights * (tokens - 1 - COMPLETION)
    head = rows * 2 * shape.head_weights * (tokens - 1)
    # Forward, and in the backward pass the logits again; the two products of the gradient are not seen.
    head_in_training = 2 * head
    layers = flops.train - (2 if lora else 3) * rows * 2 * shape.head_weights * COMPLETION
    return {
        "generation": flops.generation + prefill + adapters,
        "old_logprob": flops.old_logprob + pairs + unlabelled,
        "reference": flops.reference + (pairs + unlabelled if flops.reference else 0),
        "train": layers + 3 * pairs + head_in_training,
    }


def one_block(folder: Path, output: Path, **changes: Any) -> tuple[dict[str, float], dict[str, float]]:
    algorithm = {"updates_per_step": 2, "kl_coefficient": 0.01, "prompts_per_step": 2, "group_size": 2}
    spec = tiny_spec(folder, algorithm=algorithm, sampling={"max_completion_tokens": COMPLETION}, **changes)
    training = tiny_training(spec, folder, output, blocks=1)
    for model in filter(None, (training.trainer.model, training.trainer.ref_model)):
        model.set_attn_implementation("eager")
    training.trainer.generation_config.eos_token_id = None
    training.trainer.eos_token_ids = []
    found = counted_by_phase(training)
    return found, expected_by_phase(spec, training)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tie_word_embeddings", [True, False])
def test_every_phase_costs_what_the_counter_sees(family: str, tie_word_embeddings: bool, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", family, tie_word_embeddings=tie_word_embeddings, **SIZES)
    found, expected = one_block(folder, tmp_path / "out")
    assert found == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("targets", ["attention", "all_linear"])
def test_adapters_cost_what_the_counter_sees(targets: str, tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", **SIZES)
    found, expected = one_block(folder, tmp_path / "out", lora={"rank": 4, "targets": targets})
    assert found == pytest.approx(expected, rel=0.01)


def test_checkpointed_layers_are_run_again_up_to_their_last_matrix(tmp_path: Path) -> None:
    folder = save_tiny_model(tmp_path / "model", **SIZES)
    kept, _ = one_block(folder, tmp_path / "kept")
    again, _ = one_block(folder, tmp_path / "again", execution={"gradient_checkpointing": True})
    shape = DecoderShape(96, 3, 4, 2, 32, 224, 57)
    rows, tokens = 4, 9 + COMPLETION
    # The backward pass stops computing once it has what it wants, which is before the last product of each layer.
    last = 2 * shape.num_layers * shape.hidden_size * shape.ffn_size
    recomputed = rows * ((2 * shape.matrix_weights - last) * tokens + 4 * shape.attention_width * tokens**2)
    assert again["train"] - kept["train"] == pytest.approx(recomputed, rel=0.01)
    assert {name: again[name] for name in ("generation", "old_logprob", "reference")} == {
        name: kept[name] for name in ("generation", "old_logprob", "reference")
    }
