"""Running the real command line in a folder of its own, as a user would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL, text

from db.database import open_database, resolve_url
from db.errors import DatabaseError
from tests.conftest import TINY_SWEEP

TIMEOUT_SECONDS = 240.0


@dataclass(frozen=True)
class CommandLine:
    """`rlsweep` with its artifacts in `folder`, and its database too unless that is a server's."""

    folder: Path
    server: URL | None = field(default=None, kw_only=True)

    @property
    def database(self) -> URL:
        return self.server or resolve_url(str(self.folder / "rlsweep.db"))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "orchestrator.cli", *arguments],
            cwd=self.folder, env=self._environment(), capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
            check=False,
        )  # fmt: skip

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str, output: IO[str] | int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command that is to be interrupted, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator.cli", *arguments],
            cwd=self.folder, env=self._environment(), stdout=output, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        engine = open_database(self.database, create=False)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(sql))]
        engine.dispose()
        return found

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited {TIMEOUT_SECONDS:.0f} s in vain until {what}"
            time.sleep(0.05)

    def wait_for_rows(self, sql: str, what: str) -> None:
        def there() -> bool:
            try:
                return bool(self.rows(sql))
            except DatabaseError:  # not made yet, or being made
                return False

        self.wait_until(there, what)

    def wait_for_step(self, trial_id: int, step: int) -> None:
        sql = f"SELECT 1 FROM step WHERE trial_id = {trial_id} AND step >= {step}"
        self.wait_for_rows(sql, f"trial {trial_id} reaches step {step}")

    def living_pid(self, trial_id: int) -> int:
        ((pid,),) = self.rows(f"SELECT pid FROM attempt WHERE trial_id = {trial_id} AND state = 'running'")
        return int(pid)

    def curve(self) -> list[tuple[Any, ...]]:
        """Everything a trial measured, without clocks and attempts: what must not depend on interruptions."""
        steps = self.rows(
            "SELECT t.science_hash, s.step, s.prompt_tokens, s.completion_tokens, s.cumulative_flops, s.loss, s.reward,"
            " s.entropy, s.gradient_norm FROM live_step s JOIN trial t ON t.id = s.trial_id"
            " ORDER BY t.science_hash, s.step"
        )
        scores = self.rows(
            "SELECT t.science_hash, c.step, c.benchmark, c.samples, c.score, c.standard_error"
            " FROM learning_curve c JOIN trial t ON t.id = c.trial_id ORDER BY t.science_hash, c.step"
        )
        return steps + scores

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("RLSWEEP_")}
        if self.server is not None:
            kept["RLSWEEP_DB"] = self.server.render_as_string(hide_password=False)
            kept["RLSWEEP_ARTIFACTS"] = str(self.folder / "rlsweep_artifacts")
        return {**kept, "COLUMNS": "120", "NO_COLOR": "1"}


def tiny_folder(folder: Path, models: Path, *, server: URL | None = None) -> CommandLine:
    """A folder with the tiny sweep in it, whose base models are those in `models`."""
    (folder / "tiny.yaml").write_text(TINY_SWEEP)
    (folder / "rlsweep_artifacts").mkdir()
    (folder / "rlsweep_artifacts" / "models").symlink_to(models)
    return CommandLine(folder, server=server)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill_group(process: subprocess.Popen[str]) -> None:
    """Whatever a test left running, without a word."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
