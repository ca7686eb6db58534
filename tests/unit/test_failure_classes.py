"""Each way in which an attempt can end without a result has a class, from what it raised or from what it left."""

from __future__ import annotations

import errno
import signal
from pathlib import Path

import pytest
import torch

from db.errors import CheckpointError, EngineError, EnvironmentProblem, NumericalError, SpecError
from orchestrator.sweepfile.retry import Retry
from workers.failures import FAILURE_CLASSES, class_of_death, failure_class
from workers.oom_kills import oom_kills

RAISED = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), "gpu_memory"),
    (RuntimeError("CUDA error: out of memory"), "gpu_memory"),
    (ValueError("No available memory for the cache blocks. Try increasing `gpu_memory_utilization`"), "gpu_memory"),
    (MemoryError(), "host_memory"),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"), "host_memory"),
    (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "host_memory"),
    (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
    (RuntimeError("unable to write to file </torch_7>: No space left on device (28)"), "disk_full"),
    (torch.distributed.DistBackendError("NCCL error in: ProcessGroupNCCL.cpp:3690, unhandled system error"), "nccl"),
    (RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"), "nccl"),
    (RuntimeError("Watchdog caught collective operation timeout: WorkNCCL(SeqNum=8, OpType=ALLREDUCE)"), "timeout"),
    (torch.distributed.DistStoreError("wait timeout after 600000ms"), "timeout"),
    (NumericalError("the loss is nan"), "numerical"),
    (CheckpointError("is altered"), "checkpoint"),
    (EngineError("stale weights"), "engine"),
    (EnvironmentProblem("no vLLM"), "environment"),
    (SpecError("cannot mean anything"), "spec"),
    (KeyError("answer"), "code"),
    (RuntimeError("shape mismatch"), "code"),
]


@pytest.mark.parametrize(("error", "expected"), RAISED, ids=lambda each: type(each).__name__)
def test_what_is_raised_has_a_class(error: BaseException, expected: str) -> None:
    assert failure_class(error) == expected


def test_a_cause_that_has_a_class_gives_it_to_what_was_raised_over_it() -> None:
    memory, over_it, unrelated = torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("no engine"), KeyError("x")
    over_it.__cause__ = memory
    assert failure_class(over_it) == "gpu_memory"
    unrelated.__context__ = memory
    assert failure_class(unrelated) == "gpu_memory"
    unrelated.__suppress_context__ = True  # as `from None` has it
    assert failure_class(unrelated) == "code"


@pytest.mark.parametrize(
    ("exit_code", "last_words", "was_out_of_memory", "expected"),
    [
        (-signal.SIGKILL, "step 7", False, "died"),
        (-signal.SIGKILL, "step 7", True, "host_memory"),
        (-signal.SIGSEGV, "step 7", False, "died"),
        (-signal.SIGABRT, "terminate called after throwing 'std::bad_alloc'", False, "host_memory"),
        (-signal.SIGABRT, "[rank1]: ProcessGroupNCCL's watchdog got stuck", False, "nccl"),
        (-signal.SIGBUS, "ERROR: No space left on device", False, "disk_full"),
        (1, "torch.OutOfMemoryError: CUDA out of memory.", False, "gpu_memory"),
        (1, "Traceback: something", False, "died"),
    ],
)
def test_how_a_process_ended_and_what_it_said_last_have_a_class(
    exit_code: int, last_words: str, was_out_of_memory: bool, expected: str
) -> None:
    found, message = class_of_death(exit_code, last_words, was_out_of_memory=was_out_of_memory)
    assert found == expected
    assert (signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}") in message


def test_every_class_has_a_policy_and_every_policy_a_class() -> None:
    assert set(Retry.model_fields) == set(FAILURE_CLASSES)


def test_kills_for_want_of_memory_are_counted_in_either_version_of_control_groups(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    unified, old = tmp_path / "jobs" / "7", tmp_path / "memory" / "jobs" / "7"
    for folder in (unified, old):
        folder.mkdir(parents=True)
    (unified / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    (old / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    membership.write_text("0::/jobs/7\n")
    assert oom_kills(tmp_path, membership) == 2
    membership.write_text("4:cpu,cpuacct:/jobs/7\n3:memory:/jobs/7\n")
    assert oom_kills(tmp_path, membership) == 5
    membership.write_text("0::/elsewhere\n")
    assert oom_kills(tmp_path, membership) is None
