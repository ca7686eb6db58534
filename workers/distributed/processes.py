"""The followers of a trial on one node: started, watched, and ended together.

They are in the process group of whoever starts them, so what ends that ends them. Their standard input tells them the
same, should the group not be ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.distributed.losses import Loss, most_telling
from workers.distributed.plans import FollowerPlan, Rendezvous
from workers.failures import class_of_death
from workers.oom_kills import oom_kills
from workers.rendezvous import store_variables
from workers.spec import Execution

GRACE_SECONDS = 20.0  # for a process to notice by itself that another has gone
_SETTLING_SECONDS = 5.0  # in which processes that lost another, and that other, come to say so
_LOOK_SECONDS = 0.2

Processes = Mapping[int, subprocess.Popen[bytes]]
"""By rank."""


@dataclass(frozen=True)
class Ranks:
    """The numbers of one node's processes among all of the trial's, which are equally many on each node."""

    node: int
    nodes: int
    per_node: int
    on_cpus: bool

    @classmethod
    def of(cls, execution: Execution, *, node: int) -> Ranks:
        nodes = execution.num_nodes
        return cls(node, nodes, execution.num_processes // nodes, on_cpus=not execution.gpus)

    @property
    def all(self) -> range:
        return range(self.node * self.per_node, (self.node + 1) * self.per_node)

    def variables(self, rank: int, rendezvous: Rendezvous) -> dict[str, str]:
        """What torch.distributed, accelerate and vLLM read from the environment."""
        return {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank - self.all[0]),
            "GROUP_RANK": str(self.node),
            "WORLD_SIZE": str(self.nodes * self.per_node),
            "LOCAL_WORLD_SIZE": str(self.per_node),
            **store_variables(rendezvous.address, rendezvous.port),
            # Else accelerate numbers the CPUs as if they were GPUs, and torch loads no optimizer's state onto "cpu:0".
            **({"ACCELERATE_TORCH_DEVICE": "cpu"} if self.on_cpus else {}),
        }


def start_followers(plan: FollowerPlan, ranks: Ranks, rendezvous: Rendezvous) -> Processes:
    """A process for each rank of the node but the leader's, 0."""
    file = plan.staging / "followers.json"
    file.write_text(plan.model_dump_json())
    return {rank: _start(file, ranks.variables(rank, rendezvous)) for rank in ranks.all if rank != 0}


def failure_file(staging: Path, rank: int) -> Path:
    """Where a follower writes why it failed."""
    return staging / f"follower-{rank}.failure.json"


def wait_for_followers(processes: Processes, staging: Path) -> Loss | None:
    """Until all have ended, or one is lost: then the loss, the most telling one of a few seconds."""
    killed_before, settled_at = oom_kills(), None
    while True:
        is_over = all(process.poll() is not None for process in processes.values())
        was_out_of_memory = oom_kills() != killed_before
        losses = [
            _loss(staging, rank, process.returncode, was_out_of_memory=was_out_of_memory)
            for rank, process in processes.items()
            if process.returncode not in (None, 0)
        ]
        if losses and settled_at is None:
            settled_at = time.monotonic() + _SETTLING_SECONDS
        has_settled = settled_at is not None and time.monotonic() > settled_at
        if is_over or has_settled or any(each.is_telling for each in losses):
            return most_telling(losses)
        time.sleep(_LOOK_SECONDS)


def end_followers(processes: Processes, *, within_seconds: float) -> None:
    """Let them finish by themselves, for a while."""
    deadline = time.monotonic() + within_seconds
    for process in processes.values():
        try:
            process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()


def _start(plan: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  (our own interpreter, our own arguments)
        [sys.executable, "-m", "workers.distributed.follower", str(plan)],
        stdin=subprocess.PIPE,  # its end tells the follower that who started it is gone
        env=os.environ | variables,
    )


def _loss(staging: Path, rank: int, status: int, *, was_out_of_memory: bool) -> Loss:
    file = failure_file(staging, rank)
    if file.exists():
        told = Loss(**json.loads(file.read_text()))
        return Loss(told.failure, f"Process {rank} of the trial: {told.message}")
    failure, message = class_of_death(status, "", was_out_of_memory=was_out_of_memory)
    return Loss(failure, f"Process {rank} of the trial: {message}")
