"""Ray Tune as what finds places for attempts: it is told of one at a time, and only what the database has ready.

What Ray Tune calls a trial is one start of ours, and what it would keep for a restart of its own nobody reads: a
driver starts from the database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.search import Searcher
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from db.connection.outage import is_outage
from db.errors import DatabaseError
from db.store import PlanStore
from orchestrator.launching.attempt_process import Launch, engine_of, is_waited_for, run_attempt, waiting
from orchestrator.launching.gpu_room import hold_until_empty, wait_for_room
from orchestrator.launching.other_nodes import line_to_other_nodes
from orchestrator.launching.trial_queue import TrialQueue
from orchestrator.sweepfile.retry import Retry

_WITHOUT_END = 10**9  # starts that Ray Tune may make: the queue says when there is nothing left


def run_trials(
    launches: Sequence[Launch],
    *,
    database: URL,
    retry: Retry,
    max_concurrent: int | None,
    keeps_places: bool,
    storage_folder: Path,
    is_replaced: Callable[[], bool],
) -> None:
    """Run the trials until none is left that could go on, or another driver has taken over.

    `keeps_places`: a Ray worker whose attempt has ended stays for the next, with its place, even if none is ready. What
    became of the trials is in the database.
    """
    by_trial = {launch.trial_id: launch for launch in launches}
    plan = PlanStore(engine_of(database))
    queue = TrialQueue(plan, launches[0].sweep_id, list(by_trial), retry=retry, ask=waiting, is_node_gone=_is_node_gone)

    def resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        execution = by_trial[config["trial_id"]].execution
        nodes = execution.num_nodes
        bundles = [{"CPU": execution.cpus, "GPU": execution.num_gpus / nodes}] * nodes
        strategy = "PACK" if nodes == 1 else "STRICT_SPREAD"
        return tune.PlacementGroupFactory(bundles, strategy, **_avoiding(config["avoid"], nodes))

    def trainable(config: dict[str, Any], url: str) -> dict[str, bool]:
        os.environ["RLSWEEP_DB"] = url
        launch = replace(by_trial[config["trial_id"]], node_id=ray.get_runtime_context().get_node_id())
        if launch.execution.has_whole_gpus and (full := wait_for_room(seconds=launch.gpu_wait_seconds)):
            tune.report({"was_tried": False, "set_aside": full})
            hold_until_empty(lambda: is_waited_for(launch))
            return {"was_tried": False}
        with line_to_other_nodes(launch) as line:
            return {"was_tried": run_attempt(launch, line=line)}

    # The URL may hold a password: so it goes to the workers through Ray's memory, and into none of Tune's files.
    with_url = tune.with_parameters(trainable, url=database.render_as_string(hide_password=False))

    tuner = tune.Tuner(
        tune.with_resources(with_url, resources),
        tune_config=tune.TuneConfig(
            search_alg=_FromDatabase(queue), num_samples=_WITHOUT_END, max_concurrent_trials=max_concurrent,
            reuse_actors=keeps_places,
        ),
        run_config=tune.RunConfig(
            name="rlsweep",
            storage_path=str(storage_folder.absolute()),
            stop=_NothingMore(database, launches[0].sweep_id, is_replaced),
            verbose=0,
        ),
    )  # fmt: skip
    tuner.fit()


def _is_node_gone(node_id: str) -> bool:
    return all(node["NodeID"] != node_id or not node["Alive"] for node in ray.nodes())


def _avoiding(nodes: Sequence[str], num_bundles: int) -> dict[str, Any]:
    """Options of a placement group that keep these nodes out, unless that would leave none."""
    others = {node["NodeID"] for node in ray.nodes() if node["Alive"]} - set(nodes)
    if not nodes or not others:
        return {}
    return {"bundle_label_selector": [{"ray.io/node-id": f"!in({','.join(nodes)})"}] * num_bundles}


class _NotKept:
    """What Ray Tune writes of it into its files: nothing. Nobody reads them, and a database's URL is not for them."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _FromDatabase(_NotKept, Searcher):
    """The queue as what Ray Tune asks for its next trial. Where GPUs are set aside, a start ends before its place."""

    def __init__(self, queue: TrialQueue) -> None:
        super().__init__()
        self._queue = queue
        self._started: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        chosen = self._queue.next()
        if chosen is None:
            return Searcher.FINISHED if self._queue.is_over else None
        self._started[trial_id] = chosen.trial_id
        return {"trial_id": chosen.trial_id, "avoid": chosen.avoid}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        if full := result.get("set_aside"):
            print(f"Set aside until it is empty: {full}.", flush=True)
            self._queue.ended(self._started.pop(trial_id), was_tried=False)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        if trial_id in self._started:
            was_tried = error or bool(result and result.get("was_tried"))
            self._queue.ended(self._started.pop(trial_id), was_tried=was_tried)

    def save(self, checkpoint_path: str) -> None:
        """Nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""


class _NothingMore(_NotKept, tune.Stopper):
    """Ends Ray Tune once the sweep was asked to stop and no attempt is left: trials that wait for a place, or for a
    device that never comes, would otherwise each be started only to hear it. Ends it too where the driver is replaced.
    """

    def __init__(self, database: URL, sweep_id: int, is_replaced: Callable[[], bool]) -> None:
        self._database = database
        self._sweep_id = sweep_id
        self._is_replaced = is_replaced
        self._asked_at = 0.0

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if self._is_replaced():
            return True
        if time.monotonic() - self._asked_at < 1.0:
            return False
        self._asked_at = time.monotonic()
        try:
            plan = PlanStore(engine_of(self._database))
            return plan.is_draining(self._sweep_id) and not plan.has_living_attempts(self._sweep_id)
        except (SQLAlchemyError, DatabaseError) as error:
            if is_outage(error):
                return False
            raise
