"""The battery of hostile solutions, on every isolation that works here: none passes, none leaves anything behind."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.sandbox.hostile import GO_THROUGH_WITHOUT_ISOLATION, TESTS, sources
from workers.sandbox import Isolation, Limits, judge_tests
from workers.sandbox.available import isolations, problem_of
from workers.sandbox.unisolated import Unisolated

PROJECT = Path(__file__).parents[2]
MARKER = f"left-behind-by-{os.getpid()}"
LIMITS = Limits(wall_seconds=2, cpu_seconds=1, memory_bytes=256 * 2**20, output_bytes=10_000, value_bytes=2**20)
ISOLATIONS = [isolation for isolation in isolations() if problem_of(isolation) is None]
PR_SET_CHILD_SUBREAPER = 36
OTHERS: set[psutil.Process] = set()  # children of this process that other tests have started

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the attacks name system calls by number")


on_every_isolation = pytest.mark.parametrize("isolation", ISOLATIONS, ids=lambda isolation: isolation.name)


@pytest.fixture(scope="module", autouse=True)
def orphans_come_to_us() -> Iterator[None]:
    """Processes that a sandbox leaves behind become children of this one, where they are found."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    OTHERS.update(psutil.Process().children(recursive=True))
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.fixture(scope="module", autouse=True)
def nothing_of_earlier_tests_is_closed_in_between() -> Iterator[None]:
    """What they left open stays so: closed by the garbage collector, it would seem to be an attack's doing."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def planted_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A home folder with a secret, a secret in the environment, and a server."""
    (tmp_path / ".secret").write_text("secret")
    (tmp_path / ".secret").chmod(0o644)
    tmp_path.chmod(0o777)
    monkeypatch.setenv("RLSWEEP_TEST_SECRET", "secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {
            "HOME": str(tmp_path),
            "PARENT": str(os.getpid()),
            "PORT": str(server.getsockname()[1]),
            "MARKER": MARKER,
            "PROJECT": str(PROJECT),
            "SERVER": str(server.fileno()),
        }


@pytest.fixture
def planted(planted_secrets: dict[str, str]) -> Iterator[dict[str, str]]:
    """The same, and nobody may have reached the server."""
    yield planted_secrets
    with socket.socket(fileno=os.dup(int(planted_secrets["SERVER"]))) as server:
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def _cases() -> Iterator[object]:
    """Attacks on one isolation of each kind; on the first what all are alike in: forgeries, and limits on resources."""
    kinds = {type(isolation): isolation for isolation in reversed(ISOLATIONS)}
    for isolation in kinds.values():
        for name in sources():
            if not name.startswith(("forged_by_", "endless_")) or isolation is ISOLATIONS[0]:
                yield pytest.param(name, isolation, id=f"{name}-{isolation.name}")


@pytest.mark.parametrize(("name", "isolation"), list(_cases()))
def test_a_hostile_solution_fails_and_leaves_nothing(name: str, isolation: Isolation, planted: dict[str, str]) -> None:
    source = _aimed(sources()[name], planted)
    before = _state_of_the_machine(Path(planted["HOME"]))
    judgement = judge_tests(source, TESTS, entry_points=["f"], limits=LIMITS, isolation=isolation)
    assert not judgement.passed
    assert judgement.outcome != "broken_tests"
    assert judgement.seconds < LIMITS.wall_seconds + 2
    _assert_no_process_is_left()
    assert _state_of_the_machine(Path(planted["HOME"])) == before


@on_every_isolation
def test_the_battery_would_pass_without_the_hostility(isolation: Isolation) -> None:
    assert judge_tests("def f(x): return x * 2", TESTS, limits=LIMITS, isolation=isolation).passed


@on_every_isolation
def test_a_thread_that_outlives_the_tests_ends_with_the_sandbox(isolation: Isolation) -> None:
    if "user namespace" in isolation.name and os.geteuid() == 0:
        pytest.skip("root in a user namespace is refused threads")
    source = """
import threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
def f(x): return x * 2
"""
    judgement = judge_tests(source, TESTS, limits=LIMITS, isolation=isolation)
    assert judgement.passed
    assert judgement.seconds < LIMITS.wall_seconds
    _assert_no_process_is_left()


@pytest.mark.parametrize("name", GO_THROUGH_WITHOUT_ISOLATION)
def test_the_attack_goes_through_where_nothing_isolates_it(name: str, planted_secrets: dict[str, str]) -> None:
    source = _aimed(sources()[name], planted_secrets)
    assert judge_tests(source, TESTS, entry_points=["f"], limits=LIMITS, isolation=Unisolated()).passed


def _aimed(source: str, planted: dict[str, str]) -> str:
    for word, meaning in planted.items():
        source = source.replace(word, meaning)
    return source


def _assert_no_process_is_left() -> None:
    deadline = time.monotonic() + 2
    while (left := _children()) and time.monotonic() < deadline:
        for child in left:  # orphans that have ended are ours to take off the process table
            with suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
        time.sleep(0.001)
    assert not left


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True)) - OTHERS


def _state_of_the_machine(home: Path) -> object:
    """Limits, files and settings that an attack could have changed."""
    places = [home, PROJECT, Path("/"), Path("/tmp"), Path("/var/tmp"), Path("/dev"), Path("/dev/shm")]
    return (
        [resource.getrlimit(number) for number in range(16)],
        sorted(str(path) for place in places for path in place.glob(f"*{MARKER}*")),
        sorted(path.name for path in home.iterdir()),
        len(os.listdir("/proc/self/fd")),
        oct(os.stat("/dev/null").st_mode),
        os.getpriority(os.PRIO_PROCESS, 0),
        os.getcwd(),
        socket.gethostname(),
    )
