"""Workers that hang, die, are stopped or orphaned: what it costs, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from db.errors import EnvironmentProblem, SpecError
from workers.rewards import Answer, Mode
from workers.rewards import process as process_module
from workers.rewards.pool import RewardPool

LIMIT = 2.0
RIGHT = Answer("math__x", "so \\boxed{\\sqrt{8}}", "2\\sqrt{2}")
WRONG = Answer("math__x", "so \\boxed{7}", "5")
HANGING = {
    "power tower": "\\boxed{9^{9^{9^9}}}",
    "factorials": "\\boxed{((10!)!)!}",
    "binomial": "\\boxed{\\binom{10^9}{5\\cdot10^8}}",
    "long sum": "\\boxed{\\sum_{k=1}^{10^9} \\frac{1}{k}}",
    "integral": "\\boxed{\\int_0^1 x^x e^{x^2} \\sin(\\log x) dx}",
}


@pytest.fixture
def pool() -> Iterator[RewardPool]:
    with RewardPool(processes=2, seconds_per_answer=LIMIT) as pool:
        warm_up(pool)
        yield pool


def warm_up(pool: RewardPool) -> None:
    """Until every worker has judged, so that no start is in what is timed next."""
    answers = [Answer("math__x", f"\\boxed{{{number}}}", "5") for number in range(200)]
    assert all(verdict.outcome == "scored" for verdict in pool.judge(answers, mode="fixed"))


def wait_for(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def in_the_background(action: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def busiest(pids: list[int]) -> int:
    """The worker that computes: the other one waits for its pipe."""
    before = {pid: sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids}
    time.sleep(0.5)
    return max(pids, key=lambda pid: sum(psutil.Process(pid).cpu_times()[:2]) - before[pid])


@pytest.mark.parametrize("name", HANGING)
@pytest.mark.parametrize("mode", ["fixed", "paper"])
def test_an_answer_that_hangs_is_ended_before_twice_its_limit(pool: RewardPool, name: str, mode: Mode) -> None:
    before = pool.pids
    started = time.monotonic()
    verdicts = pool.judge([RIGHT, Answer("math__x", HANGING[name], "5"), WRONG], mode=mode)
    assert time.monotonic() - started < 2 * LIMIT
    assert [verdict.outcome for verdict in verdicts] == ["scored", "timed_out", "scored"]
    assert verdicts[1].reward == 0
    assert pool.judge([RIGHT, WRONG], mode=mode)[0].score == 1
    assert len(pool.pids) == 2
    assert pool.pids != before


def test_a_stopped_worker_is_killed_before_twice_its_limit_and_replaced(pool: RewardPool) -> None:
    before = pool.pids
    started = time.monotonic()

    def stop() -> None:
        time.sleep(0.2)
        os.kill(busiest(before), signal.SIGSTOP)

    in_the_background(stop)
    verdicts = pool.judge([Answer("math__x", HANGING["long sum"], "5"), RIGHT], mode="fixed")
    assert LIMIT < time.monotonic() - started < 2 * LIMIT
    assert [verdict.outcome for verdict in verdicts] == ["timed_out", "scored"]
    assert sum(psutil.pid_exists(pid) for pid in before) == 1


def test_a_worker_killed_while_it_judges_costs_that_answer_alone(pool: RewardPool) -> None:
    before = pool.pids
    in_the_background(lambda: os.kill(busiest(before), signal.SIGKILL))
    verdicts = pool.judge([RIGHT, Answer("math__x", HANGING["long sum"], "5"), WRONG, RIGHT], mode="fixed")
    assert [verdict.outcome for verdict in verdicts] == ["scored", "exception", "scored", "scored"]
    assert "SIGKILL" in verdicts[1].reason
    assert [verdict.score for verdict in pool.judge([RIGHT, WRONG], mode="fixed")] == [1, 0]


def test_workers_that_died_while_idle_cost_no_answer(pool: RewardPool) -> None:
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    answers = [RIGHT, WRONG] * 20 + [Answer("math__x", f"\\boxed{{{n}}}", "5") for n in range(20)]
    assert {verdict.outcome for verdict in pool.judge(answers, mode="fixed")} == {"scored"}


def test_an_answer_that_needs_too_much_memory_costs_that_answer_alone() -> None:
    huge = Answer("logic__arcagi1", f"<answer>[[{'1,' * 2_000_000}1]]</answer>", [[1]])
    with RewardPool(processes=1, seconds_per_answer=30, memory_bytes=400 << 20) as pool:
        verdicts = pool.judge([RIGHT, huge, RIGHT, WRONG], mode="fixed")
    assert [verdict.score for verdict in verdicts] == [1, None, 1, 0]
    assert verdicts[1].outcome == "exception"
    assert "memory" in verdicts[1].reason


def test_order_is_kept_and_equal_answers_are_judged_once(pool: RewardPool) -> None:
    slow = Answer("math__x", HANGING["long sum"], "5")
    started = time.monotonic()
    verdicts = pool.judge([slow, RIGHT, slow, WRONG, slow, slow, RIGHT], mode="fixed")
    assert time.monotonic() - started < 2 * LIMIT
    assert [verdict.outcome for verdict in verdicts] == [
        "timed_out", "scored", "timed_out", "scored", "timed_out", "timed_out", "scored",
    ]  # fmt: skip
    assert [verdict.reward for verdict in verdicts] == [0, 1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("mode", ["fixed", "paper"])
def test_texts_of_a_megabyte_pass_through_the_pipes(pool: RewardPool, mode: Mode) -> None:
    texts = [f"{number} words " * 100_000 + "\\boxed{5}" for number in range(4)]
    verdicts = pool.judge([Answer("openai/gsm8k", text, "5") for text in texts], mode=mode)
    assert [verdict.score for verdict in verdicts] == [1] * 4


@pytest.mark.parametrize("text", ["\x00\\boxed{5}", "\ud800\\boxed{5}", "𝟝 \u202e \\boxed{5}", "\r\n\\boxed{5}\n"])
def test_any_character_passes_through_the_pipes(pool: RewardPool, text: str) -> None:
    assert pool.judge([Answer("math__x", text, "5")], mode="fixed")[0].score == 1


def test_an_interrupted_call_leaves_nothing_that_answers_the_next(pool: RewardPool) -> None:
    def interrupt() -> None:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    in_the_background(interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.judge(
            [Answer("math__x", HANGING["long sum"], "5"), Answer("math__x", HANGING["integral"], "5")], mode="fixed"
        )
    assert [verdict.score for verdict in pool.judge([RIGHT, WRONG], mode="fixed")] == [1, 0]


def test_workers_are_replaced_when_they_are_worn() -> None:
    answers = [Answer("math__x", f"\\boxed{{{number}}}", "5") for number in range(40)]
    with RewardPool(processes=1, seconds_per_answer=LIMIT, answers_per_worker=15) as pool:
        first = pool.pids
        verdicts = pool.judge(answers, mode="fixed")
        assert pool.pids != first
    assert [verdict.reward for verdict in verdicts] == [float(number == 5) for number in range(40)]


def test_a_worker_has_its_own_session_limits_and_none_of_the_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RLSWEEP_DB", "postgresql://user:secret@host/db")
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    with RewardPool(processes=1, seconds_per_answer=LIMIT, memory_bytes=1 << 30) as pool:
        pool.judge([RIGHT], mode="fixed")
        (pid,) = pool.pids
        worker = psutil.Process(pid)
        assert os.getsid(pid) == os.getpgid(pid) == pid
        assert worker.rlimit(psutil.RLIMIT_AS) == (1 << 30, 1 << 30)
        assert worker.rlimit(psutil.RLIMIT_CPU)[0] < 30
        names = set(worker.environ())
        mapped = {Path(each.path).name for each in worker.memory_maps()}
    assert names <= {
        "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHASHSEED", "PYTHONUTF8",
        "OMP_NUM_THREADS", "LC_CTYPE",
    }  # fmt: skip
    assert not [name for name in mapped if "torch" in name or "cuda" in name]


def test_a_closed_pool_leaves_no_process() -> None:
    with RewardPool(processes=3, seconds_per_answer=LIMIT) as pool:
        pids = pool.pids
        assert len(pids) == 3
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.parametrize("stopped", [False, True], ids=["idle and busy", "stopped"])
def test_killing_the_parent_leaves_no_worker(tmp_path: Path, stopped: bool) -> None:
    program = textwrap.dedent("""
        import threading, sys
        from workers.rewards import Answer
        from workers.rewards.pool import RewardPool
        with RewardPool(processes=2, seconds_per_answer=300) as pool:
            pool.judge([Answer("math__x", "\\\\boxed{2+3}", "5")], mode="fixed")
            print(*pool.pids, flush=True)
            pool.judge([Answer("math__x", sys.argv[1], "5")], mode="fixed")
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", program, HANGING["long sum"]],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(0.5)
    if stopped:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_for(lambda: not any(_runs(pid) for pid in pids), seconds=5)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_workers_that_cannot_start_are_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process_module, "_ROOT", tmp_path)
    (tmp_path / "math_verify.py").write_text("raise ImportError('no sympy on this machine')")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with RewardPool(processes=2) as pool, pytest.raises(EnvironmentProblem, match="no sympy on this machine"):
        pool.judge([RIGHT], mode="fixed")


def test_an_unknown_source_is_refused_before_any_answer_is_judged(pool: RewardPool) -> None:
    with pytest.raises(SpecError, match="logic__knights"):
        pool.judge([RIGHT, Answer("logic__knights", "", "")], mode="fixed")


def test_no_answers_have_no_verdicts(pool: RewardPool) -> None:
    assert pool.judge([], mode="fixed") == []
