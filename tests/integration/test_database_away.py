"""PostgreSQL goes away under real trials: they train on, and every row arrives as if nothing had happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, text

from db.database import open_database, resolve_url
from orchestrator.launching.attempt_process import Launch, run_attempt
from orchestrator.registration import register
from orchestrator.sweepfile.identity import science_hash
from orchestrator.sweepfile.loading import load_sweep
from tests.conftest import TINY_SWEEP
from tests.e2e.command_line import CommandLine, kill_group
from tests.postgresql import PostgresqlServer
from workers.attempt import EXIT_SUCCEEDED, EXIT_UNDELIVERED
from workers.spec import Execution

OUTAGE_SECONDS = 20.0
STEPS = 300  # about as many as are done in that time, or more: the end waits too
CHECKPOINTS = ("CheckpointRecord", "DeletedCheckpoint")


@dataclass(frozen=True)
class Trial(CommandLine):
    """A sweep of one trial in a folder of its own, with its results in any database."""

    url: URL
    models: Path

    def overrides(self, steps: int) -> tuple[str, ...]:
        return ("model=[small]", "seed=[1]", f"budgets.at=[{steps}]", "checkpoints.every_steps=10")

    def submit(self, steps: int) -> subprocess.Popen[str]:
        """The real command."""
        (self.folder / "rlsweep_artifacts").mkdir()
        (self.folder / "rlsweep_artifacts" / "models").symlink_to(self.models)
        sets = [word for override in self.overrides(steps) for word in ("--set", override)]
        url = self.url.render_as_string(hide_password=False)
        return self.start("submit", "tiny.yaml", "--db", url, *sets)

    def register(self, steps: int) -> Launch:
        """Plan the trial, for those that start its process themselves."""
        loaded = load_sweep(self.folder / "tiny.yaml", self.overrides(steps))
        engine = open_database(self.url)
        registration = register(engine, loaded)
        engine.dispose()
        (trial,) = loaded.trials
        folder = self.folder / "rlsweep_artifacts" / "trials" / science_hash(trial.spec).replace(":", "-")[:19]
        folder.mkdir(parents=True)
        return Launch(
            sweep_id=registration.sweep_id,
            trial_id=registration.trial_ids[0],
            models_folder=str(self.models),
            trial_folder=str(folder),
            checkpoints=str(folder / "checkpoints"),
            execution=Execution(),
        )

    def attempt(self, launch: Launch, *options: str) -> subprocess.Popen[str]:
        """The process that a launch starts."""
        command = [
            sys.executable, "-m", "workers.attempt", f"--sweep-id={launch.sweep_id}", f"--trial-id={launch.trial_id}",
            f"--models-folder={launch.models_folder}", f"--trial-folder={launch.trial_folder}",
            f"--checkpoints={launch.checkpoints}", *options,
        ]  # fmt: skip
        environment = {**os.environ, "RLSWEEP_DB": self.url.render_as_string(hide_password=False)}
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment,
            start_new_session=True,
        )  # fmt: skip

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.url)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(sql))]
        engine.dispose()
        return found

    def spools(self) -> list[Path]:
        return list((self.folder / "rlsweep_artifacts" / "trials").glob("*/spool/*"))


@pytest.fixture(scope="module")
def models(made_models: Path) -> Path:
    return made_models


def new_trial(folder: Path, url: URL, models: Path) -> Trial:
    folder.mkdir()
    (folder / "tiny.yaml").write_text(TINY_SWEEP)
    return Trial(folder, url, models)


@pytest.mark.timeout(600)
def test_a_sweep_whose_server_is_away_for_20_seconds_ends_as_if_it_had_not_been(
    tmp_path: Path, postgresql_url: URL, postgresql_server: PostgresqlServer, models: Path
) -> None:
    undisturbed = new_trial(tmp_path / "undisturbed", resolve_url(str(tmp_path / "undisturbed.db")), models)
    disturbed = new_trial(tmp_path / "disturbed", postgresql_url, models)
    beside = undisturbed.attempt(undisturbed.register(STEPS))
    driver = disturbed.submit(STEPS)
    try:
        disturbed.wait_for_step(1, 12)
        postgresql_server.stop()
        time.sleep(OUTAGE_SECONDS)
        (spool,) = disturbed.spools()
        waiting = [json.loads(line) for line in spool.read_text().splitlines(keepends=True)[1:] if line.endswith("\n")]
        postgresql_server.start()
        output, _ = driver.communicate(timeout=240)
        assert driver.returncode == 0, output
        assert beside.wait(240) == EXIT_SUCCEEDED
    finally:
        kill_group(driver)
        kill_group(beside)
    saved, deleted = ({each["record"]["uri"] for each in waiting if each["kind"] == kind} for kind in CHECKPOINTS)
    assert saved, "the trial was to go on"
    assert deleted <= saved, "a checkpoint that the server knows may be continued by another attempt"
    assert disturbed.spools() == []
    assert "The database does not answer" in output
    assert "The database answers again" in output
    steps = disturbed.rows("SELECT attempt, step FROM step ORDER BY step")
    assert steps == [(1, number) for number in range(1, STEPS + 1)]
    scored = disturbed.rows("SELECT attempt, step FROM evaluation ORDER BY step")
    assert scored == [(1, number) for number in range(STEPS + 1)]
    assert disturbed.rows("SELECT state, reached_step FROM trial") == [("succeeded", STEPS)]
    assert disturbed.curve() == undisturbed.curve()


@pytest.mark.timeout(600)
def test_a_trial_that_ended_without_its_server_is_delivered_by_the_next_attempt(
    tmp_path: Path,
    postgresql_url: URL,
    postgresql_server: PostgresqlServer,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = new_trial(tmp_path / "trial", postgresql_url, models)
    launch = trial.register(60)
    first = trial.attempt(launch, "--wait-seconds=1")
    try:
        trial.wait_for_step(1, 1)
        postgresql_server.stop()
        assert first.wait(240) == EXIT_UNDELIVERED
    finally:
        kill_group(first)
    assert [path.suffix for path in trial.spools()] == [".jsonl"]

    monkeypatch.setenv("RLSWEEP_DB", postgresql_url.render_as_string(hide_password=False))
    starting = threading.Timer(3.0, postgresql_server.start)
    starting.start()
    assert run_attempt(launch)
    starting.join()
    assert trial.spools() == []
    assert trial.rows("SELECT attempt, step FROM step ORDER BY step") == [(1, number) for number in range(1, 61)]
    assert trial.rows("SELECT number, state, resumed_from_step FROM attempt ORDER BY number") == [
        (1, "succeeded", 0),
        (2, "succeeded", 60),
    ]
