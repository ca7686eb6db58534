"""A further node of a trial: `python -m workers.distributed.node NUMBER ADDRESS`, started where the node's place is.

It is told what to do in a line of its standard input, whose end tells it that the trial is over: then its whole
process group is killed. It prepares what the processes here need, starts them, and says on its standard output how
that ended: nothing where it ended well, else a loss.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path

from db.errors import EnvironmentProblem, SpecError
from workers.bounded_logs import keep_bounded
from workers.checkpointing.folders import manifest_of
from workers.checkpointing.saving import fetch_checkpoint, is_url
from workers.checkpointing.staging import staging_folder
from workers.distributed.losses import Loss
from workers.distributed.network import interface_variables
from workers.distributed.plans import FollowerPlan, NodePlan, Order
from workers.distributed.processes import Ranks, end_followers, start_followers, wait_for_followers
from workers.failures import failure_class


def main() -> int:
    # Who stops a trial may signal all of its processes. The leader ends it, after the step.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    node, address = int(sys.argv[1]), sys.argv[2]
    order = Order.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_trial, name="lifeline", daemon=True).start()
    told = os.dup(1)
    os.dup2(2, 1)  # what libraries print belongs to the log
    os.environ |= interface_variables(address)
    keep_bounded(log_of(order.plan.trial_folder, node).parent)
    try:
        loss = _take_part(order, node)
    except Exception as error:
        traceback.print_exc()
        loss = Loss(failure_class(error), str(error) or type(error).__name__)
    if loss is None:
        return 0
    named = Loss(loss.failure, f"On node {socket.gethostname()} ({address}): {loss.message}")
    os.write(told, json.dumps(named.as_dict()).encode())
    return 1


def log_of(trial_folder: Path, node: int) -> Path:
    """Where the processes of a further node of a trial print; it is a folder of its own, whether shared or not."""
    return trial_folder / "logs" / f"node-{node}" / "output.log"


def _take_part(order: Order, node: int) -> Loss | None:
    plan = order.plan
    with staging_folder(plan.trial_folder, plan.attempt, node=node) as staging:
        base_folder, checkpoint = _base_model(plan), _checkpoint(plan, staging / "fetched")
        follower = FollowerPlan(
            spec=plan.spec,
            engine=plan.engine,
            base_folder=base_folder,
            checkpoint=checkpoint,
            progress=plan.progress,
            staging=staging,
        )
        processes = start_followers(follower, Ranks.of(plan.spec.execution, node=node), order.rendezvous)
        loss = wait_for_followers(processes, staging)
        end_followers(processes, within_seconds=0.0)
        return loss


def _base_model(plan: NodePlan) -> Path:
    """The weights to start from, made or fetched here if need be: the same as the leader's, to the last bit."""
    from workers.models.model_store import prepare_base_model

    spec = plan.spec
    base = prepare_base_model(spec.model, spec.data, seed=spec.seed, models_folder=plan.models_folder)
    if base.weights_sha256 != plan.weights_sha256:
        raise SpecError(
            f"The weights of model {spec.model.name!r} in {base.folder} are not those of the trial's first node; "
            "give all nodes the same folder, or the same versions of torch and transformers."
        )
    return base.folder


def _checkpoint(plan: NodePlan, fetched: Path) -> Path | None:
    """A folder that the trainer can go on from. One in a folder that nodes share was verified by the leader."""
    found = plan.checkpoint
    if found is None:
        return None
    if is_url(found.uri):
        return fetch_checkpoint(found.uri, found.manifest_sha256, into=fetched)[1]
    folder = Path(found.uri)
    if not folder.is_dir():
        raise EnvironmentProblem(
            f"There is no {folder}, the checkpoint that the trial goes on from: give --artifacts a folder that all "
            "nodes see, or a store's URL."
        )
    manifest_of(folder, found.manifest_sha256)
    return folder


def _die_with_trial() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
