"""What Prometheus finds: the state of the database at each scrape, on a port that only this machine reaches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL

from db.database import open_database
from db.states import AttemptState
from db.store import DriverStore, PlanStore, claim
from tests.postgresql import PostgresqlServer
from tests.records import HERE, SWEEP, evaluation, planned, step

Scrape = Callable[[], dict[tuple[str, ...], float]]


@pytest.fixture
def scrape(database_url: URL, tmp_path: Path) -> Iterator[Scrape]:
    """Values by the name of a sample and its labels, in the order of their names."""
    command = [sys.executable, "-m", "orchestrator.cli", "metrics", "--port", "0"]
    environment = {**os.environ, "RLSWEEP_DB": database_url.render_as_string(hide_password=False)}
    server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = server.stdout.readline().strip()

    def scrape() -> dict[tuple[str, ...], float]:
        with urlopen(address) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }

    listening = {each.laddr.ip for each in psutil.Process(server.pid).net_connections() if each.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    yield scrape
    server.terminate()
    server.communicate()


def test_each_scrape_has_the_state_of_the_database(scrape: Scrape, database_url: URL) -> None:
    engine = open_database(database_url, create=False)
    plan = PlanStore(engine)
    trials = [planned(number, planned_flops=1e20) for number in (1, 2)]
    sweep = plan.register(SWEEP, trials)
    first = scrape()
    assert (first["rlsweep_up",], first["rlsweep_trials", "planned", "s"]) == (1, 2)
    assert (first["rlsweep_driver_up", "s"], first["rlsweep_planned_flops", "s"]) == (0, 2e20)

    DriverStore(engine, is_dead=lambda _: False).claim(sweep.sweep_id, HERE)
    running, failing = (
        claim(engine, trial_id=trial, sweep_id=sweep.sweep_id, process=HERE) for trial in sweep.trial_ids
    )
    running.record(step(1), evaluation(1, 0.25))
    failing.record(step(1))
    failing.end(AttemptState.FAILED, failure_class="nccl", message="lost each other")
    second = scrape()
    assert (second["rlsweep_trials", "running", "s"], second["rlsweep_trials", "failed", "s"]) == (1, 1)
    assert second["rlsweep_failed_attempts_total", "nccl", "s"] == 1
    assert second["rlsweep_paid_flops_total", "s"] == pytest.approx(2e19 + 1e9)
    assert second["rlsweep_driver_up", "s"] == 1
    assert second["rlsweep_trial_test_loss", "m", "s", "1"] == 0.75
    assert second["rlsweep_trial_budget_ratio", "m", "s", "1"] == 0.1
    assert ("rlsweep_trial_step", "m", "s", "2") not in second, "only of what runs"

    running.end(AttemptState.SUCCEEDED)
    assert [name for name in scrape() if "s" in name] == [], "of a sweep that is over there is nothing to watch"
    plan.register(replace(SWEEP, name="next"), [planned(3)])
    assert scrape()["rlsweep_trials", "planned", "next"] == 1
    engine.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_is_away_is_said_and_waited_for(scrape: Scrape, postgresql_server: PostgresqlServer) -> None:
    postgresql_server.stop()
    assert scrape() == {("rlsweep_up",): 0}
    postgresql_server.start()
    assert scrape()["rlsweep_up",] == 1
