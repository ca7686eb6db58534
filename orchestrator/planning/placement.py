"""On how many GPUs a trial runs, and what is said where it does not fit.

The number of GPUs is the smallest of 1, 2, 4, 8 and whole nodes where the training state takes at most
`STATE_SHARE` of each GPU, both phases fit into the usable share of it, and the engine can hold enough completions at
a time. A user's number is taken as it is if it fits at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from db.errors import SpecError
from orchestrator.planning.architectures import Architecture
from orchestrator.planning.layout import Placement, lay_out
from orchestrator.planning.memory import Training, state_memory
from orchestrator.planning.placing_case import (
    MAX_GPUS,
    BatchRecipe,
    Case,
    Wishes,
    can_spread,
    check_division,
    named_gpus,
)
from workers.flops import Lora
from workers.gpus import GPU_TYPES, GpuType

STATE_SHARE = 0.55  # leaves room for activations, the engine's weights and a cache worth having
_HELPFUL_LORA = Lora(rank=16, targets="attention")


class DoesNotFitError(SpecError):
    """A trial that does not fit on the GPUs it was given, or on any number of them."""


def place(
    architecture: Architecture,
    gpu: GpuType,
    recipe: BatchRecipe,
    training: Training | None = None,
    wishes: Wishes | None = None,
) -> Placement:
    """Where a trial runs. Raises DoesNotFitError with the term that is too large, by how much, and what would help;
    raises SpecError where the wishes do not divide the batch."""
    case = Case(architecture, gpu, recipe, training or Training(), wishes or Wishes())
    found = _search(case)
    if isinstance(found, Placement):
        return found
    raise DoesNotFitError(f"{found} {_advice(case)}")


@lru_cache(maxsize=4096)
def _search(case: Case) -> Placement | str:
    """A placement, or why there is none."""
    if case.wishes.gpus is not None:
        check_division(case, case.wishes.gpus)
        return lay_out(case, case.wishes.gpus, wanted=1)
    gpus, share_of_one = None, _state_share(case)
    for gpus in _gpu_counts(case):
        if share_of_one <= gpus * STATE_SHARE:
            found = lay_out(case, gpus, wanted=case.wishes.live_completions)
            if isinstance(found, Placement):
                return found
    return _misfit(case, gpus)


def _misfit(case: Case, gpus: int | None) -> str:
    """Why the largest number of GPUs that divides the batch is too small; None: there is no such number."""
    if gpus is None:
        return (
            f"No number of GPUs up to {case.wishes.max_gpus} divides the {case.recipe.completions_per_update} "
            "completions of one optimizer update as asked."
        )
    found = lay_out(case, gpus, wanted=case.wishes.live_completions)
    if isinstance(found, str):
        on = f"On {named_gpus(gpus, case.gpu)}"
        return found.replace(on, f"{on}, {_why_no_more(case, gpus)},", 1) if found.startswith(on) else found
    return (
        f"On {named_gpus(gpus, case.gpu)} the training state would take {_state_share(case) / gpus:.0%} of each, more "
        f"than the {STATE_SHARE:.0%} that the planner allows; set gpus to {gpus} to have it nevertheless."
    )


def _why_no_more(case: Case, gpus: int) -> str:
    """Why the planner tries no larger number of GPUs."""
    if gpus == MAX_GPUS:
        return "the most that are planned with"
    if gpus == case.wishes.max_gpus:
        return "all that there are"
    anywhere = replace(case, wishes=replace(case.wishes, max_gpus=MAX_GPUS))
    more = next((number for number in _gpu_counts(anywhere) if number > gpus), None)
    if more is not None:
        return f"since {more} are more than there are"
    return f"the most over which the {case.recipe.completions_per_update} completions of an update divide as asked"


def _state_share(case: Case) -> float:
    """What weights, gradients, optimizer and reference take of one GPU's memory; may be many times of it."""
    return state_memory(case.architecture, case.training).total / case.gpu.memory_bytes


def _gpu_counts(case: Case) -> Iterator[int]:
    """1, 2, 4 ... within a node, then whole nodes; those over which an update's completions can be divided."""
    node, most = case.gpu.gpus_per_node, min(case.wishes.max_gpus, MAX_GPUS)
    if case.wishes.server_gpus:  # all of its GPUs are on one machine
        most = min(most, node) - case.wishes.server_gpus
    within = [2**power for power in range(node.bit_length()) if 2**power < node]
    for gpus in (*within, *range(node, most + 1, node)):
        per_pass = gpus * (case.wishes.micro_batch or 1)
        fits_parallel = case.wishes.server_gpus or gpus % (case.wishes.tensor_parallel or 1) == 0
        divides = fits_parallel and case.recipe.completions_per_update % per_pass == 0
        if gpus <= most and divides and can_spread(case, gpus):
            yield gpus


@lru_cache(maxsize=1024)
def _advice(case: Case) -> str:
    """What would make the trial fit: each change tried alone."""
    wishes, training, recipe = case.wishes, case.training, case.recipe
    more = _search(replace(case, wishes=replace(wishes, gpus=None, max_gpus=MAX_GPUS)))
    adapted = replace(training, reference_bytes=0, lora=_HELPFUL_LORA)
    half_as_long = max(recipe.max_completion_tokens // 2, 1)
    changes = {
        "another tensor_parallel": replace(case, wishes=replace(wishes, tensor_parallel=None)),
        "more server_gpus": replace(case, wishes=replace(wishes, server_gpus=2 * wishes.server_gpus)),
        "another micro_batch": replace(case, wishes=replace(wishes, micro_batch=None)),
        "sleep_mode": replace(case, wishes=replace(wishes, sleep_mode=None)),
        "gradient checkpointing": replace(case, training=replace(training, gradient_checkpointing=True)),
        "a bfloat16 reference": replace(
            case, training=replace(training, reference_bytes=min(2, training.reference_bytes))
        ),
        "LoRA": replace(case, training=training if training.lora else adapted),
        "half the completion length": replace(case, recipe=replace(recipe, max_completion_tokens=half_as_long)),
    }
    helps = [named_gpus(more.gpus, case.gpu)] if isinstance(more, Placement) else []
    helps += _larger_gpus(case)
    helps += [change for change, changed in changes.items() if changed != case and _fits(changed)]
    return f"What would help: {'; '.join(helps)}." if helps else "Nothing that the planner knows of would help."


def _larger_gpus(case: Case) -> list[str]:
    """The smallest larger GPU of the table that fits, with how many of them; as many as asked, where it was asked."""
    for gpu in sorted(GPU_TYPES.values(), key=lambda known: known.memory_bytes):
        if gpu.memory_bytes > case.gpu.memory_bytes:
            found = _search(replace(case, gpu=gpu))
            if isinstance(found, Placement):
                return [named_gpus(found.gpus, gpu)]
    return []


def _fits(case: Case) -> bool:
    return isinstance(_search(case), Placement)
