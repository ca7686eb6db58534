"""The further nodes of a trial: what its leader orders is started on each, and how it ended is told to the leader.

Their places are bundles of the trial's placement group, held from the start. Nothing runs there until the leader has
prepared the trial, and nothing once its attempt has ended: each node's process has a task of Ray's as its lifeline.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray.exceptions import RayError
from ray.util.placement_group import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from orchestrator.launching.attempt_process import Launch, environment_of, last_words
from orchestrator.launching.whole_process import wait_for_end, whole_process
from workers.distributed.launcher_line import ended, greeting
from workers.distributed.losses import Loss
from workers.distributed.node import log_of
from workers.failures import class_of_death
from workers.oom_kills import oom_kills

_LOOK_SECONDS = 1.0


@contextmanager
def line_to_other_nodes(launch: Launch) -> Iterator[int | None]:
    """The leader's end of a line, as a file descriptor to be inherited; None where the trial has one node.

    Called in the first bundle's worker. The other nodes run what the leader orders until the block ends.
    """
    if launch.execution.num_nodes == 1:
        yield None
        return
    ours, theirs = socket.socketpair()
    is_over = threading.Event()
    serving = threading.Thread(target=_serve, args=(ours, launch, is_over), name="other nodes", daemon=True)
    serving.start()
    try:
        yield theirs.fileno()
    finally:
        is_over.set()
        ours.shutdown(socket.SHUT_RDWR)  # one that waits for an order hears that none will come
        serving.join()
        ours.close()
        theirs.close()


def _serve(line: socket.socket, launch: Launch, is_over: threading.Event) -> None:
    with suppress(OSError), line.makefile("rw") as lines:  # the leader is gone, and this is over with it
        lines.write(greeting(ray.util.get_node_ip_address()))
        lines.flush()
        order = lines.readline()
        if not order:
            return
        running = {_start(launch, number, order): number for number in range(1, launch.execution.num_nodes)}
        try:
            while running and not is_over.is_set():
                done, _ = ray.wait(list(running), timeout=_LOOK_SECONDS)
                for each in done:
                    lines.write(ended(_how_it_ended(each, running.pop(each))))
                    lines.flush()
        finally:
            for each in running:
                ray.cancel(each, force=True)  # its worker dies, and the node's process, whose lifeline that is


def _start(launch: Launch, number: int, order: str) -> ray.ObjectRef:
    execution = launch.execution
    strategy = PlacementGroupSchedulingStrategy(
        placement_group=get_current_placement_group(), placement_group_bundle_index=number
    )
    options = {"num_cpus": execution.cpus, "num_gpus": execution.num_gpus / execution.num_nodes}
    task = ray.remote(max_retries=0, scheduling_strategy=strategy, **options)(_run_node)
    return task.remote(launch, number, order)


def _run_node(launch: Launch, number: int, order: str) -> Loss | None:
    """On the node: run its process to the end."""
    address, log = ray.util.get_node_ip_address(), log_of(Path(launch.trial_folder), number)
    command = [sys.executable, "-m", "workers.distributed.node", str(number), address]
    log.parent.mkdir(parents=True, exist_ok=True)
    killed_before = oom_kills()
    with (
        log.open("ab") as output,
        whole_process(command, environment=environment_of(launch), stdout=subprocess.PIPE, stderr=output) as process,
    ):
        told = _carried_out(process, order)
    status = process.wait()
    if told:
        return Loss(**json.loads(told))
    if status == 0:
        return None
    failure, message = class_of_death(status, last_words(log), was_out_of_memory=oom_kills() != killed_before)
    return Loss(failure, f"On node {socket.gethostname()} ({address}): {message}")


def _carried_out(process: subprocess.Popen[bytes], order: str) -> bytes:
    """What the process says of its end; its input is left open, whose end would be that of the trial."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):  # it is gone already, and its status tells why
        process.stdin.write(order.encode())
        process.stdin.flush()
    told = process.stdout.read()
    wait_for_end(process)
    return told


def _how_it_ended(task: ray.ObjectRef, number: int) -> Loss | None:
    try:
        loss: Loss | None = ray.get(task)
    except RayError as error:
        return Loss("node_lost", f"Node {number + 1} of the trial is gone: {type(error).__name__}.")
    return loss
