"""A trial on two nodes of a Ray cluster: it measures what one process does, and outlives a node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.cluster_utils import Cluster
from sqlalchemy import URL

from tests.e2e.command_line import CommandLine, is_running, kill_group, tiny_folder

STEPS = 60
SUBMIT = ("submit", "tiny.yaml", "--set", "model=[small]", "--set", "seed=[1]", "--set", f"budgets.at=[{STEPS}]")
ON_TWO_NODES = ("--set", "resources={processes: 2, nodes: 2, micro_batch: 4}")
# Nodes of one machine: each has its agent listen on a port of its own.
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "dashboard_agent_listen_port": 0}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that runs no trials, and three nodes with room for one process each."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_health_check_initial_delay_ms", "1000")
        environment.setenv("RAY_health_check_period_ms", "500")
        environment.setenv("RAY_health_check_failure_threshold", "3")
        made = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0})
        try:
            for _ in range(3):
                made.add_node(**NODE)
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory, made_models: Path) -> CommandLine:
    """The trial in one process."""
    rlsweep = tiny_folder(tmp_path_factory.mktemp("alone"), made_models)
    done = rlsweep.run(*SUBMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    return rlsweep


def test_a_trial_on_two_nodes_goes_on_with_another_when_one_of_them_dies(
    tmp_path: Path, made_models: Path, postgresql_url: URL, cluster: Cluster, alone: CommandLine
) -> None:
    rlsweep = tiny_folder(tmp_path, made_models, server=postgresql_url)
    refused = rlsweep.run(*SUBMIT, *ON_TWO_NODES)
    assert "this machine is one. Run the sweep on a Ray cluster, with --address." in refused.stderr
    driver = rlsweep.start(*SUBMIT, *ON_TWO_NODES, "--address", cluster.address)
    try:
        rlsweep.wait_for_step(1, 4)
        leader = psutil.Process(rlsweep.living_pid(1))
        every = psutil.process_iter(["cmdline"])  # None of one that ends meanwhile
        (other,) = (each for each in every if "workers.distributed.node" in (each.info["cmdline"] or ()))
        assert raylet_above(other) != raylet_above(leader)
        of_the_node = [other, *other.children(recursive=True)]
        (node,) = (each for each in cluster.worker_nodes if raylet_of(each) == raylet_above(other))
        cluster.remove_node(node, allow_graceful=False)
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
    finally:
        kill_group(driver)
    assert not any(is_running(each.pid) for each in (leader, *of_the_node))
    attempts = rlsweep.rows("SELECT number, state, failure_class FROM attempt ORDER BY number")
    assert attempts == [(1, "failed", "node_lost"), (2, "succeeded", None)]
    assert_same_curve(rlsweep.curve(), alone.curve())
    assert (next(tmp_path.glob("**/node-1/output.log"))).stat().st_size > 0


def raylet_above(process: psutil.Process) -> int:
    (raylet,) = (each for each in process.parents() if each.name() == "raylet")
    return int(raylet.pid)


def raylet_of(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def assert_same_curve(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    assert len(found) == len(expected) > 0
    for row, other in zip(found, expected, strict=True):
        for value, wanted in zip(row, other, strict=True):
            assert value == (wanted if isinstance(wanted, str) else pytest.approx(wanted, rel=1e-3, abs=1e-4))
