"""Whole programs in the sandbox: what they print, how they end, which limit ended them, many at a time."""

from __future__ import annotations

import threading
import time

import pytest

from db.errors import SpecError
from workers.sandbox import Limits, Program, SandboxPool, SandboxUnavailable, find_isolation, run_program
from workers.sandbox import available as available_isolations
from workers.sandbox.namespaces import Namespaces
from workers.sandbox.unisolated import Unisolated


def test_a_program_reads_its_input_and_prints() -> None:
    result = run_program(
        "import sys\nprint(sum(map(int, input().split())))\nprint('é', file=sys.stderr)", stdin=b"1 2\n"
    )
    assert (result.status, result.stdout, result.stderr, result.ended_by) == (0, b"3\n", "é\n".encode(), None)


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("exit(3)", 3),
        ("import os; os._exit(4)", 4),
        ("1 / 0", 1),
        ("def", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("if __name__ == '__main__': exit(5)", 5),
    ],
)
def test_the_exit_status_is_the_programs(source: str, status: int) -> None:
    result = run_program(source)
    assert (result.status, result.ended_by) == (status, None)


def test_a_traceback_shows_the_programs_lines_and_nothing_of_ours() -> None:
    shown = run_program("def half(x):\n    return x / 0\nhalf(1)").stderr.decode()
    assert 'File "program.py", line 2, in half\n    return x / 0' in shown
    assert shown.count("File ") == 2


@pytest.mark.parametrize(
    ("source", "ended_by"),
    [
        ("while True: pass", "cpu"),
        ("import time; time.sleep(60)", "wall_time"),
        ("while True: print('x' * 1000)", "output"),
        ("bytearray(10**10)", "memory"),
    ],
)
def test_the_limit_that_ended_a_program_is_named(source: str, ended_by: str) -> None:
    limits = Limits(wall_seconds=2.5, cpu_seconds=1, output_bytes=5000)
    result = run_program(source, limits=limits)
    assert result.ended_by == ended_by
    assert result.status != 0
    assert len(result.stdout) <= limits.output_bytes
    assert ended_by in str(result)


def test_output_up_to_the_limit_is_whole_and_no_fault() -> None:
    result = run_program("print('x' * 4999)", limits=Limits(output_bytes=5000))
    assert (len(result.stdout), result.ended_by) == (5000, None)


def test_programs_see_the_same_hashes_every_time() -> None:
    assert run_program("print(hash('a'))").stdout == run_program("print(hash('a'))").stdout


def test_a_program_has_a_place_for_its_own_files() -> None:
    source = "open('a', 'w').write('kept'); import tempfile; f = tempfile.TemporaryFile(); print(open('a').read())"
    assert run_program(source).stdout == b"kept\n"


def test_deep_recursion_in_a_thread_with_a_large_stack_works() -> None:
    source = """
import sys, threading
sys.setrecursionlimit(10**6)
threading.stack_size(2**27)
def depth(n): return 0 if n == 0 else 1 + depth(n - 1)
def main(): print(depth(50_000))
thread = threading.Thread(target=main); thread.start(); thread.join()
"""
    assert run_program(source).stdout == b"50000\n"


def test_a_pool_returns_results_in_order_and_bounds_what_it_takes() -> None:
    taken = []

    def programs():  # type: ignore[no-untyped-def]
        for number in range(12):
            taken.append(number)
            yield Program(source=f"import time; time.sleep({0.2 if number == 0 else 0}); print({number})")

    with SandboxPool(at_once=2) as pool:
        results = pool.run(programs())
        first = next(results)
        assert len(taken) <= 5
        assert [first.stdout, *(result.stdout for result in results)] == [b"%d\n" % number for number in range(12)]


def test_a_pool_of_none_is_refused() -> None:
    with pytest.raises(SpecError, match="at_once"):
        SandboxPool(at_once=0)


@pytest.mark.parametrize("field", ["wall_seconds", "memory_bytes"])
def test_a_limit_of_nothing_is_refused(field: str) -> None:
    with pytest.raises(SpecError, match=field):
        Limits(**{field: 0})


def test_sandboxes_work_beside_many_threads_of_the_caller() -> None:
    done = threading.Event()
    others = [threading.Thread(target=done.wait) for _ in range(50)]
    for thread in others:
        thread.start()
    try:
        assert run_program("print(1)").stdout == b"1\n"
    finally:
        done.set()


def test_the_pool_works_on_several_at_a_time() -> None:
    started = time.monotonic()
    with SandboxPool(at_once=8) as pool:
        list(pool.run(Program(source="import time; time.sleep(0.5)") for _ in range(8)))
    assert time.monotonic() - started < 8 * 0.5


def test_without_any_isolation_nothing_runs_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available_isolations, "isolations", lambda: iter(()))
    available_isolations._first_that_works.cache_clear()
    try:
        with pytest.raises(SandboxUnavailable, match=available_isolations.UNSAFE_VARIABLE):
            find_isolation()
        assert isinstance(find_isolation(allow_unsafe=True), Unisolated)
        monkeypatch.setenv(available_isolations.UNSAFE_VARIABLE, "1")
        assert isinstance(find_isolation(), Unisolated)
    finally:
        available_isolations._first_that_works.cache_clear()


def test_a_sandbox_that_cannot_be_made_is_no_failure_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.sandbox.interpreter.EXECUTABLE", "/nowhere/python3")
    with pytest.raises(SandboxUnavailable, match="could not be made"):
        run_program("print(1)", isolation=Namespaces(as_root=False))
