"""The Ray that a driver launches on: one of its own on this machine, or a cluster that is there already.

Its own is started for this driver alone, with a token that nobody else has, and stopped with it. A cluster that is
there is left as it is: it gets this driver's code for the time of the sweep, and nothing is installed on it by hand.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from sqlalchemy import URL

from db.database import check_single_node
from db.errors import EnvironmentProblem
from orchestrator.launching.sent_job import this_job
from orchestrator.launching.temporary import clear_left_behind, temporary_folder
from orchestrator.machine import RAY_MEMORY_GB
from workers.provenance import SENT_REVISION, code_revision

_OBJECT_STORE_BYTES = 80 * 2**20  # Ray's minimum: nothing of size goes through it
# The packages that an attempt, and the Ray worker that starts it, import.
_PACKAGES = ("db", "workers", "orchestrator", "migrations")

_TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C drains the sweep; see orchestrator.launching.drive
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # for a restart of its own, which nobody asks for, it would save all trials
}
_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # a trial is what the machine is for, not background work
    "RAY_memory_monitor_refresh_ms": "0",  # it would kill trials by the host's memory, not by theirs
}


@contextmanager
def ray_of_its_own(*, num_cpus: int) -> Iterator[None]:
    """Ray on this machine alone, while the block runs. Raises EnvironmentProblem with Ray's own reason if it cannot.

    Ray listens on the machine's own address, not on loopback only, so it is given a token that others do not have.
    Attempts that still run when it is stopped lose their lifeline and end.
    """
    os.environ |= _TUNE_ENVIRONMENT | _RAY_ENVIRONMENT | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }  # fmt: skip
    with temporary_folder() as folder:  # for Ray's own logs; nothing of ours is in them
        try:
            _init(
                f"It needs about {RAY_MEMORY_GB} GB of memory and room in /dev/shm and /tmp.",
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=str(folder),
            )
            yield
        finally:
            _shutdown()


@contextmanager
def ray_cluster(database: URL, *, address: str) -> Iterator[None]:
    """A Ray cluster that is there already, of which this machine is a node, while the block runs.

    `address` as in `auto` or `10.0.0.1:6379`. Raises EnvironmentProblem where it cannot be used, DatabaseError where
    its nodes could not all write to the database.
    """
    if "://" in address:
        raise EnvironmentProblem(
            f"--address {address}: a driver runs on a node of the cluster and takes its address there, as auto or "
            "HOST:6379. From elsewhere, send it to the cluster with --detach."
        )
    os.environ |= _TUNE_ENVIRONMENT
    try:
        _init(
            "Is it a running cluster, and this machine one of its nodes?",
            address=address,
            runtime_env=_runtime_environment(),
        )
        import ray

        check_single_node(database, num_nodes=sum(node["Alive"] for node in ray.nodes()))
        yield
    finally:
        _shutdown()
        clear_left_behind()


def _init(advice: str, **options: Any) -> None:
    import ray

    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
    except (ValueError, RuntimeError, OSError, ConnectionError, TimeoutError) as error:
        raise EnvironmentProblem(f"Ray at {options['address']} did not start: {error}. {advice}") from error
    # What Ray has to say of a worker or a node that died is many lines; what became of the trial is in the database.
    logging.getLogger("ray").setLevel(logging.CRITICAL)


def _shutdown() -> None:
    import ray

    ray.shutdown()


def _runtime_environment() -> dict[str, Any]:
    """A driver that is a job was sent with its code, which its workers have too."""
    return {} if this_job() else code_for_nodes()


def code_for_nodes() -> dict[str, Any]:
    """This driver's packages, for the nodes: they are sent there, and come before any that are installed."""
    revision, is_changed = code_revision()
    sent = {} if revision is None else {SENT_REVISION: f"{revision}+changed" if is_changed else revision}
    return {"py_modules": [str(files(name)) for name in _PACKAGES], "excludes": ["__pycache__"], "env_vars": sent}
