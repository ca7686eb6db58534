"""A trial's specification in the planner's terms: its batch, what is trained, what is wished, how long texts are."""

from __future__ import annotations

from orchestrator.planning.cost import ExpectedLengths, assumed_lengths
from orchestrator.planning.memory import Training
from orchestrator.planning.placing_case import MAX_GPUS, MIN_LIVE_COMPLETIONS, BatchRecipe, Wishes
from orchestrator.sweepfile.running import Expected
from workers.flops import Lora
from workers.spec import TrialSpec

_TASK_PROMPT_TOKENS = {"affine-lookup": 9}  # all of its prompts are as long as `dv(854)`, with two marks of turns
_REFERENCE_BYTES = {"bfloat16": 2, "float32": 4}
_FEW_COMPLETIONS = 4


def recipe_of(spec: TrialSpec) -> BatchRecipe:
    """The batch, with its limits of length."""
    return BatchRecipe(
        prompts_per_step=spec.algorithm.prompts_per_step,
        group_size=spec.algorithm.group_size,
        updates_per_step=spec.algorithm.updates_per_step,
        max_prompt_tokens=_TASK_PROMPT_TOKENS.get(spec.data.task or "", spec.data.max_prompt_tokens),
        max_completion_tokens=spec.sampling.max_completion_tokens,
    )


def training_of(spec: TrialSpec) -> Training:
    """What is trained, and beside which reference."""
    lora = Lora.from_spec(spec.lora)
    # With adapters the reference is the model without them.
    has_reference = spec.algorithm.kl_coefficient > 0 and lora is None
    return Training(
        reference_bytes=_REFERENCE_BYTES[spec.algorithm.reference_dtype] if has_reference else 0,
        lora=lora,
        gradient_checkpointing=spec.execution.gradient_checkpointing,
    )


def wishes_of(spec: TrialSpec, *, gpus: int | None) -> Wishes:
    """What the file fixes of where a trial runs; `gpus` is how many there are, None: as many as wanted."""
    execution = spec.execution
    # Processes that share an engine would wait for each other's turns, so there each GPU has an engine of its own, and
    # beside a large model little room for its cache: drawing in smaller lots costs less than more GPUs.
    has_turns = spec.environment is not None
    return Wishes(
        gpus=execution.gpus,
        server_gpus=execution.server_gpus or 0,
        nodes=execution.nodes,
        tensor_parallel=execution.tensor_parallel or (1 if has_turns else None),
        has_turns=has_turns,
        live_completions=_FEW_COMPLETIONS if has_turns else MIN_LIVE_COMPLETIONS,
        micro_batch=execution.micro_batch,
        sleep_mode=execution.sleep_mode,
        max_gpus=gpus or MAX_GPUS,
    )


def expected_lengths(recipe: BatchRecipe, expected: Expected, measured: ExpectedLengths | None) -> ExpectedLengths:
    """The file's own numbers, else measured ones, else assumed ones; none above the limits."""
    found = measured or assumed_lengths(recipe)
    if expected.prompt_tokens is None and expected.completion_tokens is None:
        return found
    prompt = expected.prompt_tokens or found.prompt_tokens
    completion = expected.completion_tokens or found.completion_tokens
    return ExpectedLengths(
        prompt_tokens=min(prompt, recipe.max_prompt_tokens),
        completion_tokens=min(completion, recipe.max_completion_tokens),
        source="given",
    )
