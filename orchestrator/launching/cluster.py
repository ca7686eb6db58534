"""Ray on this machine: started for one driver, with a token of its own, and stopped with it."""

from __future__ import annotations

import logging
import os
import secrets

from sqlalchemy import URL

from db.database import check_single_node
from db.errors import EnvironmentProblem
from orchestrator.machine import RAY_MEMORY_GB

_OBJECT_STORE_BYTES = 80 * 2**20  # Ray's minimum: nothing of size goes through it

_RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C drains the sweep; see orchestrator.launching.drive
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_worker_niceness": "0",  # a trial is what the machine is for, not background work
    "RAY_memory_monitor_refresh_ms": "0",  # it would kill trials by the host's memory, not by theirs
}


def start_ray(database: URL, *, num_cpus: int) -> None:
    """Start Ray on this machine alone. Raises EnvironmentProblem with Ray's own reason if it cannot.

    Ray listens on the machine's own address, not on loopback only, so it is given a token that others do not have.
    The database's URL, which may hold a password, reaches Ray's workers through their environment.
    """
    os.environ |= _RAY_ENVIRONMENT | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RLSWEEP_DB": database.render_as_string(hide_password=False),
    }
    import ray

    try:
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_OBJECT_STORE_BYTES,
        )
    except (ValueError, RuntimeError, OSError, ConnectionError, TimeoutError) as error:
        raise EnvironmentProblem(
            f"Ray did not start: {error}. It needs about {RAY_MEMORY_GB} GB of memory and room in /dev/shm and /tmp."
        ) from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    check_single_node(database, num_nodes=sum(node["Alive"] for node in ray.nodes()))


def stop_ray() -> None:
    """Stop Ray; attempts that still run lose their lifeline and end."""
    import ray

    ray.shutdown()
