"""A sweep that is left to a Ray cluster of two nodes, of which one dies while both run a trial."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray.cluster_utils import Cluster
from ray.job_submission import JobSubmissionClient
from sqlalchemy import URL

from tests.e2e.command_line import CommandLine, is_running, kill_group, tiny_folder
from tests.soak import needs_a_quiet_machine
from tests.webhook_receiver import WebhookReceiver, webhook_receiver
from workers.provenance import code_revision

STEPS = 40
SUBMIT = (
    "submit", "tiny.yaml", "--set", "model=[small]", "--set", "seed=[1, 2]", "--set", f"budgets.at=[{STEPS}]",
    "--set", "notify=[{url_env: HOOK, events: [sweep_finished]}]",
)  # fmt: skip
# Nodes of one machine: each has its agent listen on a port of its own.
NODE = {"object_store_memory": 80 * 2**20, "dashboard_agent_listen_port": 0}

pytestmark = [pytest.mark.timeout(600), needs_a_quiet_machine]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that runs no trials but has a dashboard, and two nodes with room for one each."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # jobs run `python`
        environment.setenv("RAY_health_check_initial_delay_ms", "1000")
        environment.setenv("RAY_health_check_period_ms", "500")
        environment.setenv("RAY_health_check_failure_threshold", "3")
        made = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0, "include_dashboard": True})
        try:
            for _ in range(2):
                made.add_node(num_cpus=1, **NODE)
            yield made
        finally:
            made.shutdown()


@pytest.fixture
def folder(tmp_path: Path, made_models: Path, postgresql_url: URL) -> CommandLine:
    return tiny_folder(tmp_path, made_models, server=postgresql_url)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookReceiver]:
    with webhook_receiver() as started:
        monkeypatch.setenv("HOOK", started.url)
        yield started


def test_a_node_that_dies_costs_a_trial_its_steps_since_the_last_checkpoint_and_nothing_else(
    cluster: Cluster, folder: CommandLine, receiver: WebhookReceiver
) -> None:
    dashboard = f"http://{cluster.webui_url}"
    sent = folder.run(*SUBMIT, "--detach", "--address", dashboard)
    assert sent.returncode == 0, sent.stderr
    assert f"Sweep tiny is with the cluster at {dashboard}, as job rlsweep-tiny-" in sent.stdout
    folder.wait_for_rows("SELECT 1 FROM sweep WHERE driver_job IS NOT NULL", "the driver has begun")
    log = folder.start("logs", "tiny", "--follow")
    try:
        for trial in (1, 2):
            folder.wait_for_step(trial, 4)
        second = folder.run(*SUBMIT)
        assert "Another `rlsweep submit` is running sweep 'tiny'" in second.stderr
        pid = folder.living_pid(1)
        above = {parent.pid for parent in psutil.Process(pid).parents()}
        (node,) = (each for each in cluster.worker_nodes if raylet_of(each) in above)
        cluster.remove_node(node, allow_graceful=False)
        folder.wait_until(lambda: not is_running(pid), "the attempt on that node is gone")
        output, _ = log.communicate(timeout=240)
        assert "2 succeeded in" in output, output
        assert receiver.names == ["sweep_finished"]
        shown = f"{output} {JobSubmissionClient(dashboard).list_jobs()}"
        assert "orchestrator.launching.sent_job" in shown
        for secret in ("postgresql", receiver.url):
            assert secret not in shown, "what is secret is in nobody's log, nor among the settings of the job"
    finally:
        kill_group(log)
    attempts = folder.rows("SELECT trial_id, number, state, git_revision FROM attempt ORDER BY trial_id, number")
    revision, _ = code_revision()
    assert attempts == [(1, 1, "lost", revision), (1, 2, "succeeded", revision), (2, 1, "succeeded", revision)]
    ((lost_on, failure_class),) = folder.rows("SELECT node_id, failure_class FROM attempt WHERE state = 'lost'")
    assert lost_on == node.node_id
    assert failure_class in ("node_lost", "died"), "Ray may not know yet that the node is gone"
    steps = folder.rows("SELECT trial_id, step FROM live_step ORDER BY trial_id, step")
    assert steps == [(trial, step) for trial in (1, 2) for step in range(1, STEPS + 1)]


def raylet_of(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)
