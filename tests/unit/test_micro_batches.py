"""A smaller micro-batch after a want of memory, and nothing else changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tiny_training import tiny_spec
from workers.attempt import EXIT_FAILED, EXIT_OUT_OF_MEMORY, _exit_failed
from workers.micro_batches import after_failures, micro_batch, smaller
from workers.spec import TrialSpec
from workers.unsupported import unsupported

FOLDER = Path("/models/tiny")


def failed(spec: TrialSpec, failure: str = "gpu_memory") -> dict[str, Any]:
    return {"failure_class": failure, "execution": spec.execution.canonical}


def spec_of(micro_batch: int | None = None, **execution: Any) -> TrialSpec:
    return tiny_spec(FOLDER, execution={"engine": "transformers", "micro_batch": micro_batch, **execution})


def test_each_want_of_memory_halves_it() -> None:
    asked = spec_of()
    assert micro_batch(asked) == 16, "all completions of the update"
    attempts: list[dict[str, Any]] = []
    sizes = []
    for _ in range(4):
        spec = after_failures(asked, attempts)
        sizes.append(micro_batch(spec))
        attempts.append(failed(spec))
    assert sizes == [16, 8, 4, 2]


def test_it_is_always_a_divisor_of_the_update() -> None:
    spec = tiny_spec(FOLDER, algorithm={"prompts_per_step": 3, "group_size": 4})  # 12 completions
    assert [smaller(spec, tried) for tried in (12, 6, 4, 3, 2, 1)] == [6, 3, 2, 1, 1, None]


def test_other_failures_and_other_gpus_change_nothing() -> None:
    asked = spec_of(8)
    assert after_failures(asked, [failed(asked, "numerical"), failed(spec_of(8, gpus=2))]) == asked


def test_a_smaller_wish_than_what_failed_is_taken_as_it_is() -> None:
    assert after_failures(spec_of(2), [failed(spec_of(8))]) == spec_of(2)


def test_nothing_but_the_micro_batch_changes() -> None:
    asked = spec_of(8)
    shrunk = after_failures(asked, [failed(asked)])
    assert shrunk.model_dump() == asked.model_dump() | {"execution": asked.execution.model_dump() | {"micro_batch": 4}}


def test_a_recipe_that_depends_on_it_keeps_it() -> None:
    spec = tiny_spec(FOLDER, algorithm={"aggregation": "micro_batch_token_mean"}, execution={"micro_batch": 8})
    assert after_failures(spec, [failed(spec)]) == spec


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_share_the_update(processes: int) -> None:
    assert micro_batch(spec_of(None, processes=processes)) == 16 // processes


def test_one_that_does_not_divide_the_share_of_a_process_is_refused() -> None:
    algorithm = {"prompts_per_step": 14, "group_size": 4, "updates_per_step": 1}  # 28 completions for each of two
    refused = unsupported(tiny_spec(FOLDER, algorithm=algorithm, execution={"processes": 2, "micro_batch": 8}))
    assert any("resources.micro_batch 8 does not divide the 28 completions" in sentence for sentence in refused)
    assert unsupported(tiny_spec(FOLDER, algorithm=algorithm, execution={"processes": 2, "micro_batch": 7})) == []


def test_whichever_process_runs_out_of_memory_the_trial_goes_on_while_there_is_a_smaller_one() -> None:
    assert _exit_failed(spec_of(8), "gpu_memory") == EXIT_OUT_OF_MEMORY
    assert _exit_failed(spec_of(1), "gpu_memory") == EXIT_FAILED
    assert _exit_failed(spec_of(8), "code") == EXIT_FAILED
