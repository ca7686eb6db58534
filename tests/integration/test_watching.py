"""`status --watch` and `logs -f` from a terminal of their own, on a sweep that goes on meanwhile."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from db.states import AttemptState
from db.store import AttemptStore, DriverStore, PlanStore, claim
from tests.records import HERE, SWEEP, evaluation, planned, step

SECONDS = 60


class Terminal:
    """A command in a pseudo-terminal, and all that it has shown."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._own, other = pty.openpty()
        environment = {**os.environ, "RLSWEEP_DB": str(folder / "rlsweep.db"), "TERM": "xterm", "COLUMNS": "100"}
        command = [sys.executable, "-m", "orchestrator.cli", *arguments]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdin=other, stdout=other, stderr=other)
        os.close(other)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.shown:
            assert time.monotonic() < deadline, f"waited in vain for {text!r}: {self.shown}"
            self._read()

    def wait_for_end(self) -> int:
        while self._read():
            pass
        os.close(self._own)
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        try:
            read = os.read(self._own, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += read.decode(errors="replace")
        return bool(read)


@pytest.fixture
def attempt(sqlite_database: Engine) -> AttemptStore:
    registered = PlanStore(sqlite_database).register(SWEEP, [planned(1)])
    made = claim(sqlite_database, trial_id=registered.trial_ids[0], sweep_id=registered.sweep_id, process=HERE)
    made.enter_phase("training")
    made.record(step(1), evaluation(1, 0.5))
    return made


@pytest.fixture
def driver(sqlite_database: Engine, attempt: AttemptStore) -> None:
    DriverStore(sqlite_database, is_dead=lambda _: False).claim(attempt.sweep_id, HERE)


def test_a_sweep_is_watched_until_every_trial_has_an_end(attempt: AttemptStore, driver: None, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "status", "s", "--watch", "--interval", "0.2")
    terminal.wait_for("launched by process 4711 on node-1")
    terminal.wait_for("1 running")
    attempt.record(*(step(number) for number in range(2, 11)))
    terminal.wait_for("100%")
    attempt.end(AttemptState.SUCCEEDED)
    assert terminal.wait_for_end() == 0
    assert "1 succeeded" in terminal.shown
    assert "Every trial has an end." in terminal.shown


def test_a_log_is_followed_over_to_the_next_attempt_and_to_the_end_of_the_trial(
    sqlite_database: Engine, attempt: AttemptStore, driver: None, tmp_path: Path
) -> None:
    first, second = tmp_path / "attempt-1.log", tmp_path / "attempt-2.log"
    first.write_text("versions\nstep 1\n")
    attempt.log_to(str(first))
    terminal = Terminal(tmp_path, "logs", "1", "--follow", "--lines", "1")
    terminal.wait_for("step 1")
    assert "versions" not in terminal.shown
    with first.open("a") as log:
        log.write("step 2\x1b[2J\n")
    terminal.wait_for("step 2\r\n")
    PlanStore(sqlite_database).declare_lost(attempt.sweep_id, is_dead=lambda _: True)
    following = claim(sqlite_database, trial_id=attempt.trial_id, sweep_id=attempt.sweep_id, process=HERE)
    second.write_text("resumed\n")
    following.log_to(str(second))
    terminal.wait_for("--- attempt 1 is over (lost); this is attempt 2 ---")
    terminal.wait_for("resumed")
    following.end(AttemptState.SUCCEEDED)
    assert terminal.wait_for_end() == 0
    assert "\x1b[2J" not in terminal.shown


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RLSWEEP_DB": str(folder / "rlsweep.db")}
    command = [sys.executable, "-m", "orchestrator.cli", "logs", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_log_that_is_not_here_is_one_clear_error(attempt: AttemptStore, tmp_path: Path) -> None:
    assert "There is no log of attempt 1 of trial 1: it ended before it had one." in run(tmp_path, "1").stderr
    attempt.log_to("/elsewhere/attempt-1.log")
    told = run(tmp_path, "1")
    assert told.returncode == 1
    assert "is /elsewhere/attempt-1.log on node-1, and not here" in told.stderr
    assert "has no attempt 7; it has had 1" in run(tmp_path, "1", "--attempt", "7").stderr
    assert "was not sent to a cluster" in run(tmp_path, "s").stderr
