"""Logs are read from their end, followed while they grow, kept short, and never give orders to a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.log_files import last_lines, new_lines
from workers.bounded_logs import shorten


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "attempt-1.log"


@pytest.mark.parametrize("number", [0, 1, 3, 5000, 20_000])
def test_the_last_lines_are_those_at_the_end(log: Path, number: int) -> None:
    lines = [f"line {each} {'x' * (each % 50)}" for each in range(10_000)]
    log.write_text("\n".join(lines) + "\n")
    assert last_lines(log, number) == (lines[-number:] if number else [], log.stat().st_size)


def test_a_line_that_is_being_written_is_left_for_later(log: Path) -> None:
    log.write_text("whole\nbeg")
    shown, position = last_lines(log, 10)
    assert shown == ["whole"]
    with log.open("a") as file:
        file.write("un\n")
    assert list(new_lines(log, position, is_over=lambda: True)) == ["begun"]


def test_what_a_model_said_gives_no_orders_to_the_terminal(log: Path) -> None:
    log.write_bytes(b"\x1b[31mred\x1b[0m \x1b]0;title\x07done\n10%\r20%\r30%\na\x07b\x9b2J\tc\n\xff\n")
    assert last_lines(log, 10)[0] == ["red done", "30%", "a\ufffdb\ufffd2J\tc", "\ufffd"]


def each_time(*steps: Callable[[], object]) -> Callable[[], bool]:
    """Whether it is over: what happens meanwhile, one at each question, and then it is."""
    left = list(steps)

    def ask() -> bool:
        if left:
            left.pop(0)()
            return False
        return True

    return ask


def test_a_log_that_grows_and_is_shortened_is_followed_to_its_end(log: Path) -> None:
    log.write_text("first\n")
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)  # as those who write it have it
    write = lambda text: os.write(descriptor, text.encode())  # noqa: E731
    is_over = each_time(
        lambda: write("second\nth"),
        lambda: write("ird\n"),
        lambda: write("x" * 4000 + "\n"),
        lambda: shorten(log, limit=1000, beginning=8),
        lambda: write("last"),
    )
    shown = list(new_lines(log, 0, is_over=is_over))
    os.close(descriptor)
    assert shown[:3] == ["first", "second", "third"]
    assert shown[-1] == "last"


def test_a_long_log_keeps_its_beginning_and_its_newest_part(log: Path) -> None:
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    size = log.stat().st_size
    assert not shorten(log, limit=size)
    writer = os.open(log, os.O_WRONLY | os.O_APPEND)
    assert shorten(log, limit=2000, beginning=100)
    os.write(writer, b"written after\n")
    os.close(writer)
    text = log.read_text()
    assert log.stat().st_size < 2000
    assert text.startswith("line 0\nline 1\n")
    assert "bytes left out: this log had grown too long" in text
    assert text.endswith("line 998\nline 999\nwritten after\n")
    dropped = int(text.split("... ")[1].split()[0])
    kept = [line for line in text.splitlines() if line.startswith("line ")]
    assert dropped + sum(len(line) + 1 for line in kept) == pytest.approx(size, abs=2)
