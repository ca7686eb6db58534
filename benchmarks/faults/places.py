"""Where a round's sweep runs, and what of it can be killed: a Ray of the driver's own, or a cluster of raylets.

Whoever looks after it, as a supervisor or a researcher would, starts again what was killed: the driver with the same
command, a node as a new one, the database server on its folder.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import psutil
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from benchmarks.faults.remains import unmarked
from benchmarks.faults.sweep import SUBMIT
from db.errors import DatabaseError
from tests.e2e.command_line import CommandLine, kill_group, tiny_folder
from tests.postgresql import PostgresqlServer

_AWAY_SECONDS = 8.0  # how long a server that was killed is away, at most
# Nodes of one machine: each has its agent listen on a port of its own.
_NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "dashboard_agent_listen_port": 0}


class Place:
    """A folder with the sweep in it, and its driver. A fault returns whether there was something to kill."""

    name = "own Ray"

    def __init__(self, rlsweep: CommandLine, moments: Random, address: str | None = None) -> None:
        self.rlsweep = rlsweep
        self.moments = moments
        self.drivers = 0
        self._address = address
        self.start_driver()

    def start_driver(self) -> None:
        """Type the command, for the first time or again."""
        self.drivers += 1
        self.log = self.rlsweep.folder / f"driver-{self.drivers}.log"
        where = ("--address", self._address) if self._address else ()
        with self.log.open("w") as log:
            self.driver = self.rlsweep.start(*SUBMIT, *where, output=log)

    @property
    def faults(self) -> dict[str, Callable[[], bool]]:
        """By what is killed."""
        return {"driver": self.kill_driver, "trial process": self.kill_trial, "raylet": self.kill_raylet}

    def named(self, fault: str) -> str:
        """The fault with where it happens."""
        return f"{fault} ({self.name})"

    def kill_driver(self) -> bool:
        """And with it, where Ray is its own, nothing else: that all of it ends too is what is looked at."""
        self.driver.kill()
        self.driver.wait()
        self.start_driver()
        return True

    def kill_trial(self) -> bool:
        """The process that trains."""
        found = self.living_attempts()
        return bool(found) and kill(self.moments.choice(found))

    def kill_raylet(self) -> bool:
        """Ray on this machine, of which the driver is told in its own time; it is typed again when it has ended."""
        raylets = [each for each in psutil.Process(self.driver.pid).children(recursive=True) if is_raylet(each)]
        return bool(raylets) and kill(raylets[0].pid)

    def living_attempts(self) -> list[int]:
        """Process ids, as the database has them; none while nobody can ask it."""
        try:
            return [int(pid) for (pid,) in self.rlsweep.rows("SELECT pid FROM attempt WHERE state = 'running'")]
        except (DatabaseError, SQLAlchemyError):
            return []


class ClusterPlace(Place):
    """A head that runs no trials, nodes with room for one each, and a database server that all of them reach."""

    name = "cluster"

    def __init__(self, rlsweep: CommandLine, moments: Random, cluster: Any, server: PostgresqlServer) -> None:
        self._cluster = cluster
        self._server = server
        super().__init__(rlsweep, moments, cluster.address)

    @property
    def faults(self) -> dict[str, Callable[[], bool]]:
        return super().faults | {"node": self.kill_node, "database": self.kill_database}

    def kill_raylet(self) -> bool:
        """Of a node; what it has started finds that out by itself."""
        node = self._any_node()
        kill(raylet_of(node))
        return self._replace(node)

    def kill_node(self) -> bool:
        """All that runs on it, at once, as when its power fails."""
        node = self._any_node()
        raylet = psutil.Process(raylet_of(node))
        for process in [raylet, *raylet.children(recursive=True)]:
            kill(process.pid)
        return self._replace(node)

    def kill_database(self) -> bool:
        """The server and every process that serves a connection; it is started again after some seconds."""
        server = psutil.Process(self._server.process_id)
        killed = [server, *server.children(recursive=True)]
        for process in killed:
            kill(process.pid)
        psutil.wait_procs(killed, timeout=10)  # else one that is still dying is taken for one that runs
        time.sleep(self.moments.uniform(0.0, _AWAY_SECONDS))
        with unmarked():
            self._server.start()
        return True

    def _any_node(self) -> Any:
        return self.moments.choice(sorted(self._cluster.worker_nodes, key=lambda node: node.node_id))

    def _replace(self, node: Any) -> bool:
        self._cluster.remove_node(node, allow_graceful=False)
        self._cluster.add_node(**_NODE)
        return True


@contextmanager
def own_ray(folder: Path, models: Path, moments: Random) -> Iterator[Place]:
    """Everything on this machine, the results in an SQLite file."""
    folder.mkdir()
    place = Place(tiny_folder(folder, models), moments)
    try:
        yield place
    finally:
        kill_group(place.driver)


@contextmanager
def ray_of_nodes(
    folder: Path, models: Path, moments: Random, *, server: PostgresqlServer, ray_folder: Path
) -> Iterator[Place]:
    """A cluster of a head and two nodes. It notices a dead node after two seconds instead of Ray's thirty."""
    from ray.cluster_utils import Cluster

    folder.mkdir()
    os.environ |= {
        "RAY_TMPDIR": str(ray_folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_health_check_initial_delay_ms": "1000",
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "3",
    }
    url: URL = server.new_database()
    cluster = Cluster(initialize_head=True, head_node_args=_NODE | {"num_cpus": 0})
    try:
        for _ in range(2):
            cluster.add_node(**_NODE)
        place = ClusterPlace(tiny_folder(folder, models, server=url), moments, cluster, server)
        try:
            yield place
        finally:
            kill_group(place.driver)
    finally:
        cluster.shutdown()
        server.drop_database(url)


def kill(pid: int) -> bool:
    """Whether there was such a process."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def is_raylet(process: psutil.Process) -> bool:
    """False for one that is gone meanwhile."""
    try:
        return process.name() == "raylet"
    except psutil.NoSuchProcess:
        return False


def raylet_of(node: Any) -> int:
    """The process id."""
    return int(node.all_processes["raylet"][0].process.pid)
