"""The leader's part: the other processes of a trial are started, heard of and ended here, on whichever nodes they are.

A process that is lost takes the attempt with it: the others would wait for it until a time-out of the collective.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from db.errors import EnvironmentProblem
from workers.distributed.launcher_line import LauncherLine, launcher_line
from workers.distributed.losses import Others, is_left_alone
from workers.distributed.network import interface_variables
from workers.distributed.plans import FollowerPlan, NodePlan, Order, Rendezvous
from workers.distributed.processes import (
    GRACE_SECONDS,
    Processes,
    Ranks,
    end_followers,
    start_followers,
    wait_for_followers,
)
from workers.environment_variables import environment_variables
from workers.failures import failure_class
from workers.rendezvous import LOOPBACK, hosted_store

# In which the reason of a loss is heard: Ray takes some time to find that a node is gone.
_HEARING_SECONDS = 45.0

# What the loss of another process means to the attempt: the class of its failure and a sentence.
OnLoss = Callable[[str, str], None]


@contextmanager
def followers(plan: FollowerPlan, *, on_loss: OnLoss, elsewhere: NodePlan, launcher: int | None) -> Iterator[None]:
    """The other processes of the trial, while the block runs; none where it has one process.

    `elsewhere` is what its other nodes are told, by way of the `launcher`'s line: None where all is on this one.
    `on_loss` is called with the class of the failure and what happened, if a process ends early: from a thread where
    the leader does not notice, else in place of the error by which it did. It must end this process.
    """
    ranks = Ranks.of(plan.spec.execution, node=0)
    if ranks.nodes > 1 and launcher is None:
        raise EnvironmentProblem(
            f"A trial on {ranks.nodes} nodes needs a Ray cluster that has them: `rlsweep submit --address ADDRESS`."
        )
    if plan.spec.execution.num_processes == 1:
        yield
        return
    others, is_over = Others(_parties(ranks)), threading.Event()
    with ExitStack() as stack:
        line = stack.enter_context(launcher_line(launcher)) if launcher is not None else None
        address = LOOPBACK if line is None else line.address
        rendezvous = Rendezvous(address=address, port=stack.enter_context(hosted_store(address)))
        variables = ranks.variables(0, rendezvous) | interface_variables(rendezvous.address)
        stack.enter_context(environment_variables(variables))
        processes = start_followers(plan, ranks, rendezvous)
        _in_background(lambda: others.ended(wait_for_followers(processes, plan.staging)), if_any=processes)
        if line is not None:
            line.send(Order(plan=elsewhere, rendezvous=rendezvous))
            _in_background(partial(_listen, line, others))
        _in_background(partial(_end_if_unnoticed, others, is_over, on_loss))
        try:
            yield
        except BaseException as error:
            is_over.set()
            if is_left_alone(failure_class(error)) and (loss := others.why(_HEARING_SECONDS)) is not None:
                on_loss(loss.failure, loss.message)
            end_followers(processes, within_seconds=0.0)
            raise
        is_over.set()
        others.wait_for_all(GRACE_SECONDS)
        end_followers(processes, within_seconds=0.0)


def _parties(ranks: Ranks) -> int:
    """The other nodes, and the followers of this one together."""
    return ranks.nodes - 1 + (ranks.per_node > 1)


def _listen(line: LauncherLine, others: Others) -> None:
    for loss in line.ends():
        others.ended(loss)


def _end_if_unnoticed(others: Others, is_over: threading.Event, on_loss: OnLoss) -> None:
    if others.wait_for_loss() and not is_over.wait(GRACE_SECONDS):
        loss = others.why(_HEARING_SECONDS)
        assert loss is not None
        if not is_over.is_set():
            on_loss(loss.failure, loss.message)


def _in_background(work: Callable[[], None], *, if_any: Processes | None = None) -> None:
    if if_any is None or if_any:
        threading.Thread(target=work, name="followers", daemon=True).start()
