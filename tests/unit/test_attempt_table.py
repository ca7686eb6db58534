"""A trial's attempts on its page: how each ended, how far it came, and what it cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.console import Console
from sqlalchemy import Engine

from db.reader import Reader
from orchestrator.screens.attempt_table import attempt_table
from tests.contract.small_study import fill


def printed(database: Engine, trial: int) -> list[str]:
    reader = Reader(database)
    costs = {row["attempt"]: row for row in reader.attempt_costs(trial)}
    attempts = [{**costs[row["number"]], **row} for row in reader.attempts(trial)]
    console = Console(width=200)
    with console.capture() as captured:
        console.print(attempt_table(attempts, now=reader.now() + timedelta(seconds=90)))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


@pytest.fixture
def numbers(database: Engine) -> dict[str, int]:
    return fill(database)


def test_a_failed_attempt_has_its_class_its_steps_and_what_of_them_was_lost(
    database: Engine, numbers: dict[str, int]
) -> None:
    heading, failed, running, said, log = printed(database, numbers["alone"])
    assert heading.startswith("attempt state steps ran FLOPs paid lost")
    assert failed.startswith("1 failed (gpu_memory) 0 → 2 0:00 2e+19 50%")
    assert running.startswith("2 running 1 → 2 1:3"), "it runs until now"
    assert said == "attempt 1: out of memory"
    assert log == "log: /logs/attempt-1.log"


def test_an_attempt_that_ended_well_says_nothing_more(database: Engine, numbers: dict[str, int]) -> None:
    _, succeeded, log = printed(database, numbers["single"])
    assert succeeded.startswith("1 succeeded 0 → 2 0:00 2e+19 0% node-1")
    assert log.startswith("log: ")
