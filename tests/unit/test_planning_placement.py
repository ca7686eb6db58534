"""Where trials run: the ladder of sizes on 80 GB, what never changes with the place, and what is said of a misfit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.errors import SpecError
from orchestrator.planning.architectures import Architecture, known_architecture
from orchestrator.planning.memory import (
    Training,
    activation_memory,
    cpu_memory,
    engine_weights,
    kv_bytes_per_token,
    lora_params,
    state_memory,
    training_memory,
)
from orchestrator.planning.placement import DoesNotFitError, place
from orchestrator.planning.placing_case import USABLE_SHARE, BatchRecipe, Wishes
from workers.flops import Lora
from workers.gpus import GPU_TYPES, GpuType, gpu_type

LADDER = ["0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B"]
PAPER = BatchRecipe(512, 8, 4, max_prompt_tokens=2048, max_completion_tokens=4096)
WITH_REFERENCE = Training(reference_bytes=2)
H100 = gpu_type("H100-80GB")
GB = 1e9


def qwen(size: str) -> Architecture:
    architecture = known_architecture(f"Qwen/Qwen2.5-{size}")
    assert architecture is not None
    return architecture


# Published design figures for 80 GB: GPUs, tensor parallelism, state, checkpointed activations and training peak at
# 8k tokens, and the cache's room in sleep mode. All in GB.
DESIGN = {
    "0.5B": (1, 1, 8.9, 0.4, 15, 60),
    "1.5B": (1, 1, 27.8, 0.7, 35, 39),
    "3B": (2, 1, 27.8, 1.2, 36, 36),
    "7B": (4, 1, 34.3, 1.6, 45, 21),
    "14B": (8, 2, 33.2, 4.0, 47, 22),
    "32B": (16, 4, 36.9, 5.4, 53, 17),
    "72B": (32, 8, 40.9, 10.7, 66, 11),
}


@pytest.mark.parametrize("size", LADDER)
def test_the_ladder_of_sizes_lands_on_the_gpus_of_the_design(size: str) -> None:
    gpus, parallel, state, *_ = DESIGN[size]
    placed = place(qwen(size), H100, PAPER, WITH_REFERENCE)
    assert (placed.gpus, placed.tensor_parallel) == (gpus, parallel)
    assert placed.nodes == max(gpus // 8, 1)
    assert state_memory(qwen(size), WITH_REFERENCE, gpus=gpus).total / GB == pytest.approx(state, abs=0.06)


@pytest.mark.parametrize("size", LADDER)
def test_memory_agrees_with_the_design_within_rounding(size: str) -> None:
    architecture = qwen(size)
    gpus, parallel, _, inputs, train_peak, room = DESIGN[size]
    layer_inputs = 2 * architecture.shape.hidden_size * architecture.shape.num_layers * 8192
    assert layer_inputs / GB == pytest.approx(inputs, abs=0.06)
    training = training_memory(architecture, WITH_REFERENCE, gpus=gpus, micro_batch_tokens=8192)
    assert training.total / GB == pytest.approx(train_peak, abs=0.5)
    state = state_memory(architecture, WITH_REFERENCE, gpus=gpus).total
    context_and_graphs = 5 * GB
    left = USABLE_SHARE * 80 * GB - state - engine_weights(architecture, tensor_parallel=parallel) - context_and_graphs
    assert left / GB == pytest.approx(room, abs=0.6)


@pytest.mark.parametrize(
    ("size", "bytes_per_token"),
    list(zip(LADDER, [12_288, 28_672, 36_864, 57_344, 196_608, 262_144, 327_680], strict=True)),
)
def test_the_cache_takes_what_the_design_says_for_each_token(size: str, bytes_per_token: int) -> None:
    assert kv_bytes_per_token(qwen(size)) == bytes_per_token


def test_key_value_heads_are_not_split_further_than_one_to_a_gpu() -> None:
    assert kv_bytes_per_token(qwen("7B"), tensor_parallel=4) == kv_bytes_per_token(qwen("7B"), tensor_parallel=28)


def test_a_float32_reference_takes_72b_to_64_gpus() -> None:
    # The state alone would allow 40, over which 1024 completions cannot be divided.
    assert place(qwen("72B"), H100, PAPER, Training(reference_bytes=4)).gpus == 64


def test_sleep_mode_is_used_where_the_cache_would_be_too_small_and_is_needed_for_72b_only() -> None:
    placed = {size: place(qwen(size), H100, PAPER, WITH_REFERENCE) for size in LADDER}
    assert [size for size in LADDER if placed[size].sleep_mode] == ["14B", "32B", "72B"]
    assert [size for size in LADDER if placed[size].is_sleep_needed] == ["72B"]


def test_without_sleep_mode_the_engine_is_counted_while_training() -> None:
    awake = place(qwen("3B"), H100, PAPER, WITH_REFERENCE)
    asleep = place(qwen("32B"), H100, PAPER, WITH_REFERENCE)
    assert {"engine_weights", "kv_cache"} <= awake.training.terms.keys()
    assert not {"engine_weights", "kv_cache"} & asleep.training.terms.keys()


def test_short_sequences_are_packed_into_larger_micro_batches() -> None:
    short = BatchRecipe(512, 8, 4, max_prompt_tokens=256, max_completion_tokens=768)
    placed = place(qwen("0.5B"), H100, short, WITH_REFERENCE)
    assert (placed.micro_batch, placed.accumulation) == (8, 128)


def test_adapters_take_16_bytes_and_frozen_weights_2() -> None:
    lora = Lora(rank=16, targets="all_linear")
    state = state_memory(qwen("7B"), Training(lora=lora), gpus=2)
    assert state.total == qwen("7B").total_params + 8 * lora_params(qwen("7B"), lora)
    assert state.total < state_memory(qwen("7B"), Training(), gpus=2).total / 6


def test_without_checkpointing_every_layer_keeps_its_intermediate_results() -> None:
    one = activation_memory(qwen("7B"), tokens=1000, checkpointing=True, width=2)
    inputs = 2 * 3584 * 28 * 1000
    assert activation_memory(qwen("7B"), tokens=1000, checkpointing=False, width=2) == 28 * (one - inputs)


def test_logits_are_never_there_all_at_once() -> None:
    """A tile of 4,096 tokens by 32,768 entries in bfloat16, and the head's gradient in float32."""
    terms = training_memory(qwen("0.5B"), Training(), gpus=1, micro_batch_tokens=8192).terms
    tile, head, hidden = 2 * 4096 * 32768, 4 * 151936 * 896, 4 * 896 * 8192
    layer = activation_memory(qwen("0.5B"), tokens=8192, checkpointing=True, width=2) - 2 * 896 * 24 * 8192
    weights_of_two = 2 * 2 * qwen("0.5B").layer_params
    assert terms["logits"] == pytest.approx(tile + head + hidden - layer - weights_of_two)
    twice = training_memory(qwen("0.5B"), Training(), gpus=1, micro_batch_tokens=16384).terms
    assert "logits" not in twice  # of longer sequences one layer takes more than the head
    frozen = training_memory(qwen("0.5B"), Training(lora=Lora(8)), gpus=1, micro_batch_tokens=1024).terms
    assert frozen.get("logits", 0) < 0.1 * head  # adapters leave the head as it is


def test_on_a_cpu_logits_are_tiles_too_however_long_the_completions() -> None:
    def logits(tokens: int) -> float:
        limits = {"completions_per_step": 8, "max_prompt_tokens": 16, "max_completion_tokens": tokens}
        return cpu_memory(qwen("0.5B"), Training(), micro_batch=8, **limits).terms["logits"]

    assert logits(4096) - logits(2048) == pytest.approx(4 * 896 * 8 * 2048)  # the gradient of the hidden states alone
    assert logits(4096) > 9 * 4 * 4096 * 32768


def test_a_cpu_trial_is_estimated_in_float32() -> None:
    limits = {"completions_per_step": 512, "max_prompt_tokens": 16, "max_completion_tokens": 4}
    memory = cpu_memory(qwen("0.5B"), Training(reference_bytes=4), micro_batch=8, **limits)
    assert memory.terms["weights"] == 4 * 494_032_768
    assert memory.total > 20 * 494_032_768


recipes = st.builds(
    lambda prompts, group, updates, *lengths: BatchRecipe(prompts * updates, group, updates, *lengths),
    st.integers(1, 300),
    st.integers(2, 32),
    st.integers(1, 8),
    st.integers(1, 4096),
    st.integers(1, 16384),
)
anything = {
    "size": st.sampled_from(LADDER),
    "gpu": st.sampled_from(list(GPU_TYPES.values())),
    "recipe": recipes,
    "reference": st.sampled_from([0, 2, 4]),
}


@settings(deadline=None)
@given(**anything, gpus=st.one_of(st.none(), st.integers(1, 64)))
def test_a_placement_keeps_the_global_batch_and_stays_within_memory(
    size: str, gpu: GpuType, recipe: BatchRecipe, reference: int, gpus: int | None
) -> None:
    try:
        placed = place(qwen(size), gpu, recipe, Training(reference_bytes=reference), Wishes(gpus=gpus))
    except SpecError:
        return
    assert placed.gpus * placed.micro_batch * placed.accumulation == recipe.completions_per_update
    assert placed.gpus % placed.tensor_parallel == 0
    assert placed.tensor_parallel <= gpu.gpus_per_node
    assert gpus is None or placed.gpus == gpus
    for memory in (placed.training, placed.generation):
        assert memory.total <= USABLE_SHARE * gpu.memory_bytes * (1 + 1e-12)
    assert placed.live_completions >= 1


@settings(deadline=None)
@given(size=st.sampled_from(LADDER), gpus=st.integers(1, 512), reference=st.sampled_from([0, 2, 4]))
def test_more_gpus_never_raise_what_one_of_them_holds(size: str, gpus: int, reference: int) -> None:
    training = Training(reference_bytes=reference)
    fewer, more = (state_memory(qwen(size), training, gpus=number).terms for number in (gpus, gpus + 1))
    assert all(more[name] < fewer[name] for name in fewer)


@settings(deadline=None)
@given(**anything)
def test_the_planners_own_number_of_gpus_is_the_smallest_that_it_would_choose(
    size: str, gpu: GpuType, recipe: BatchRecipe, reference: int
) -> None:
    training = Training(reference_bytes=reference)
    try:
        placed = place(qwen(size), gpu, recipe, training)
    except SpecError:
        return
    assert place(qwen(size), gpu, recipe, training, Wishes(max_gpus=placed.gpus)).gpus == placed.gpus
    if placed.gpus > 1:
        with pytest.raises(DoesNotFitError):
            place(qwen(size), gpu, recipe, training, Wishes(max_gpus=placed.gpus - 1))


def refused(**changes: object) -> str:
    case = {"architecture": qwen("7B"), "gpu": H100, "recipe": PAPER, "training": WITH_REFERENCE} | changes
    with pytest.raises(SpecError) as caught:
        place(**case)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_misfit_names_the_term_the_shortage_and_what_would_help() -> None:
    assert refused(wishes=Wishes(gpus=1)) == (
        "On 1 H100-80GB GPU training needs 146.9 GB on each and 75.2 GB are usable, 71.7 GB too few. The largest term "
        "is optimizer (optimizer 60.9 GB, weights 30.5 GB, gradients 30.5 GB, reference 15.2 GB, context 3.0 GB, "
        "activations 2.5 GB, gathered weights 2.0 GB, engine graphs 2.0 GB, logits 0.3 GB). What would help: "
        "4 H100-80GB GPUs; "
        "1 B200-180GB GPU; LoRA."
    )


def test_too_small_a_cluster_is_told_how_many_gpus_it_takes() -> None:
    message = refused(architecture=qwen("72B"), wishes=Wishes(max_gpus=16))
    assert message.startswith("On 16 H100-80GB GPUs, all that there are, training needs 103.2 GB on each")
    assert message.endswith("What would help: 32 H100-80GB GPUs; 16 B200-180GB GPUs; LoRA.")


def test_why_there_is_no_larger_number_of_gpus_is_said() -> None:
    one_group = BatchRecipe(15, 3, 1, max_prompt_tokens=2048, max_completion_tokens=4096)
    assert refused(recipe=one_group).startswith(
        "On 1 H100-80GB GPU, the most over which the 45 completions of an update divide as asked, training needs"
    )
    assert refused(architecture=qwen("72B"), wishes=Wishes(max_gpus=3)).startswith(
        "On 2 H100-80GB GPUs, since 4 are more than there are, training needs"
    )


def test_a_cluster_that_fits_only_beyond_comfort_is_told_how_to_insist() -> None:
    message = refused(architecture=qwen("3B"), wishes=Wishes(max_gpus=1))
    assert message.startswith(
        "On 1 H100-80GB GPU the training state would take 69% of each, more than the 55% that the planner allows; "
        "set gpus to 1 to have it nevertheless. What would help: 2 H100-80GB GPUs;"
    )
    assert place(qwen("3B"), H100, PAPER, WITH_REFERENCE, Wishes(gpus=1)).gpus == 1


def test_sequences_too_long_for_one_pass_are_refused_on_any_number_of_gpus() -> None:
    long = BatchRecipe(128, 8, 1, max_prompt_tokens=2048, max_completion_tokens=131072)
    message = refused(architecture=qwen("72B"), recipe=long)
    assert message.startswith("On 1024 H100-80GB GPUs, the most that are planned with, training needs 236.8 GB on each")
    assert "The largest term is activations" in message
    assert message.endswith("Nothing that the planner knows of would help.")


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (
            Wishes(gpus=3),
            "The 1024 completions of one optimizer update do not divide over 3 GPUs; use one of "
            "1, 2, 4, 8, 16, 32, 64, ..., or another batch.",
        ),
        (
            Wishes(gpus=8, micro_batch=3),
            "A micro-batch of 3 does not divide the 128 completions that each of 8 GPUs has in one optimizer update.",
        ),
        (Wishes(gpus=4, tensor_parallel=8), "A tensor parallelism of 8 does not divide 4 GPUs."),
    ],
)
def test_wishes_that_do_not_divide_are_refused(wishes: Wishes, message: str) -> None:
    assert refused(wishes=wishes) == message


def test_a_batch_that_does_not_divide_into_its_updates_is_refused() -> None:
    with pytest.raises(SpecError, match="The 24 completions of a step do not divide into 5 optimizer updates"):
        BatchRecipe(3, 8, 5, 128, 128)


def test_a_micro_batch_that_divides_over_no_number_of_gpus_is_refused() -> None:
    message = refused(wishes=Wishes(micro_batch=3))
    assert message == (
        "No number of GPUs up to 1024 divides the 1024 completions of one optimizer update as asked. "
        "What would help: another micro_batch."
    )


def test_heads_that_cannot_be_split_are_said_so() -> None:
    message = refused(architecture=qwen("0.5B"), wishes=Wishes(gpus=8, tensor_parallel=8))
    assert message.startswith("No tensor parallelism divides 8 H100-80GB GPUs and the model's 14 attention heads")
    assert "another tensor_parallel" in message


@pytest.mark.parametrize(
    ("name", "found"), [("h200", "H200-141GB"), ("rtx 4090", "RTX-4090-24GB"), ("h100_80gb", "H100-80GB")]
)
def test_a_gpu_is_found_in_any_spelling(name: str, found: str) -> None:
    assert gpu_type(name).name == found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("A100", "GPU 'A100' is ambiguous; it is one of A100-80GB, A100-40GB."),
        (
            "H101-80GB",
            "GPU 'H101-80GB' is not known; did you mean H100-80GB or H800-80GB or A100-80GB? "
            "Another kind is described by its memory, its dense bfloat16 peak and, where that is not 8, how many are "
            "in a node: MI300X-192GB@1307TFLOPS or MI300X-192GB@1307TFLOPSx4.",
        ),
    ],
)
def test_an_unclear_gpu_is_refused(name: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        gpu_type(name)
    assert str(caught.value) == message


def test_a_gpu_that_nobody_knows_can_be_described_in_its_name() -> None:
    mine = gpu_type("mine-64GB@400TFLOPSx6")
    assert mine == GpuType("mine-64GB@400TFLOPSx6", memory_bytes=64e9, peak_flops=400e12, gpus_per_node=6)
    assert place(qwen("7B"), mine, PAPER, WITH_REFERENCE).gpus == 4
    assert gpu_type("MI300X-192GB@1307.4tflops") == GpuType("MI300X-192GB@1307.4tflops", 192e9, 1307.4e12, 8)
    with pytest.raises(SpecError, match="must be positive"):
        gpu_type("mine-0GB@400TFLOPS")
    with pytest.raises(SpecError, match="described with what is no number"):
        gpu_type("mine-6.4.0GB@400TFLOPS")


@pytest.mark.parametrize("size", ["3B", "7B", "14B"])
def test_engines_that_draw_in_turns_stay_awake_on_several_gpus(size: str) -> None:
    placed = place(qwen(size), H100, PAPER, WITH_REFERENCE, Wishes(has_turns=True, tensor_parallel=1))
    assert placed.gpus > 1
    assert not placed.sleep_mode
