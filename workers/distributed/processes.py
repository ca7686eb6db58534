"""Starting the followers of a trial, and ending all of its processes together.

The leader is the attempt's own process; followers are in its process group, so what ends the attempt ends them. A
follower that dies takes the attempt with it: the others would wait for it until a time-out of the collective.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workers.milestones import Progress
from workers.spec import TrialSpec

_GRACE_SECONDS = 20.0  # for the leader to notice by itself that a follower has gone
_NAMES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

# What a follower's end means to the attempt: the class of its failure and a sentence.
OnLoss = Callable[[str, str], None]


@dataclass(frozen=True)
class FollowerPlan:
    """All that a follower needs to take part, as it is written to a file for it."""

    spec: TrialSpec
    engine: str
    base_folder: Path
    checkpoint: Path | None
    progress: Progress
    staging: Path

    def write(self, file: Path) -> None:
        plan = asdict(self) | {"spec": self.spec.model_dump(mode="json"), "progress": self.progress.as_dict()}
        file.write_text(json.dumps({name: _plain(value) for name, value in plan.items()}))

    @classmethod
    def read(cls, file: Path) -> FollowerPlan:
        plan = json.loads(file.read_text())
        return cls(
            spec=TrialSpec.model_validate(plan["spec"]),
            engine=plan["engine"],
            base_folder=Path(plan["base_folder"]),
            checkpoint=Path(plan["checkpoint"]) if plan["checkpoint"] else None,
            progress=Progress(**plan["progress"]),
            staging=Path(plan["staging"]),
        )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


@contextmanager
def followers(plan: FollowerPlan, *, on_loss: OnLoss) -> Iterator[None]:
    """The other processes of the trial, while the block runs; none where it has one process.

    `on_loss` is called from a thread, with the class of the failure and what happened, if one of them ends early and
    the leader does not notice; it must end this process.
    """
    count = plan.spec.execution.num_processes
    if count == 1:
        yield
        return
    file = plan.staging / "followers.json"
    plan.write(file)
    common = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    with _reserved_port() as port:
        common["MASTER_PORT"] = str(port)
        before = {name: os.environ[name] for name in _NAMES if name in os.environ}
        os.environ |= common | {"RANK": "0", "LOCAL_RANK": "0"}
        processes = [_start(rank, file, common) for rank in range(1, count)]
        is_over = threading.Event()
        watch = threading.Thread(target=_watch, args=(processes, plan.staging, is_over, on_loss), daemon=True)
        watch.start()
        try:
            yield
        finally:
            is_over.set()
            _end(processes)
            for name in _NAMES:
                os.environ.pop(name, None)
            os.environ |= before


def failure_file(staging: Path, rank: int) -> Path:
    """Where a follower writes why it failed."""
    return staging / f"follower-{rank}.failure.json"


def _start(rank: int, file: Path, common: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  (our own interpreter, our own arguments)
        [sys.executable, "-m", "workers.distributed.follower", str(file)],
        stdin=subprocess.PIPE,  # its end tells the follower that the leader is gone
        env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
    )


def _watch(
    processes: Sequence[subprocess.Popen[bytes]], staging: Path, is_over: threading.Event, on_loss: OnLoss
) -> None:
    while not is_over.wait(0.5):
        lost = [(rank, process) for rank, process in enumerate(processes, start=1) if process.poll() not in (None, 0)]
        if lost:
            if not is_over.wait(_GRACE_SECONDS):
                rank, process = lost[0]
                on_loss(*_what_happened(staging, rank, process.returncode))
            return


def _what_happened(staging: Path, rank: int, status: int) -> tuple[str, str]:
    file = failure_file(staging, rank)
    if file.exists():
        failure = json.loads(file.read_text())
        return failure["class"], f"process {rank} of the trial: {failure['message']}"
    return "code", f"process {rank} of the trial ended with status {status} and left no reason; see its log"


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let them finish by themselves, for a while."""
    for process in processes:
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin:
            process.stdin.close()


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that no other trial of the host is given while this one holds it; its own rendezvous may bind it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
