"""A process that ends with all that it has started, and temporary folders that outlive nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.launching.temporary import clear_left_behind, temporary_folder
from orchestrator.launching.whole_process import wait_for_end, whole_process

# One child stays in the group, one leaves it and the session; both would sleep for an hour. Their ids are printed.
PARENT = """
import os, subprocess, sys, tempfile
sleep = [sys.executable, "-c", "import time; time.sleep(3600)"]
children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
open(os.path.join(tempfile.gettempdir(), "left"), "w").close()
print(*(child.pid for child in children), tempfile.gettempdir(), flush=True)
"""
LAUNCHER = """
import os, sys
from orchestrator.launching.whole_process import wait_for_end, whole_process
with whole_process([sys.executable, "-c", sys.argv[1]], environment=os.environ) as process:
    wait_for_end(process)
    print("ended", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path of this test's own for temporary files, as /tmp is."""
    with tempfile.TemporaryDirectory(prefix="w", dir="/tmp") as short:
        monkeypatch.setenv("TMPDIR", short)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(short)


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_nothing_that_a_process_started_outlives_it(folder: Path) -> None:
    with whole_process([sys.executable, "-c", PARENT], environment=os.environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first, second, used = process.stdout.readline().split()
        wait_for_end(process)
        assert psutil.pid_exists(int(first))
        assert psutil.pid_exists(int(second))
        assert Path(used.decode()).parent == folder
    assert process.wait() == 0
    assert is_gone(int(first))
    assert is_gone(int(second))
    assert list(folder.iterdir()) == []


def test_what_a_killed_launcher_leaves_behind_is_cleared_by_the_next(folder: Path) -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    first, second, used = launcher.stdout.readline().split()
    launcher.stdout.readline()
    clear_left_behind()
    assert Path(used).exists(), "its launcher lives"
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()
    with temporary_folder() as mine:
        assert [path for path in folder.iterdir() if path.name.startswith("rlsweep-tmp-")] == [mine]
    assert is_gone(int(second)), "it had left the group"
    assert is_gone(int(first))
    assert list(folder.iterdir()) == []


def test_a_long_path_for_temporary_files_is_not_used_since_sockets_have_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = folder / "a-name-that-is-longer-than-sockets-have-room-for"
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with temporary_folder() as mine:
        assert mine.parent == Path("/tmp")
