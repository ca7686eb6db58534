"""Gates that end a trial, and a watch on whether it moves."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import pytest

from db.errors import UnhealthyTrial
from workers.health import WATCHED, HealthGates, Heartbeat, watch_for_stall
from workers.spec import Health


def row(**values: float) -> dict[str, Any]:
    return dict.fromkeys(WATCHED) | values


def outcomes(health: Health, column: str, values: list[float | None]) -> list[str | None]:
    gates, found = HealthGates(health), []
    for value in values:
        gates.look(dict.fromkeys(WATCHED) | {column: value})
        found.append(gates.outcome)
    return found


@pytest.mark.parametrize(
    ("gate", "column", "well_and_ill", "outcome"),
    [
        ({"max_kl": 1.0}, "kl", (1.0, 1.1), "kl_blow_up"),
        ({"min_entropy": 0.1}, "entropy", (0.1, 0.09), "entropy_collapse"),
        ({"max_gradient_norm": 10.0}, "gradient_norm", (9.0, 11.0), "gradient_blow_up"),
        ({"max_truncated_share": 0.9}, "truncated_share", (0.9, 0.95), "truncation"),
        ({"max_zero_variance_share": 0.9}, "zero_variance_share", (0.2, 1.0), "no_learning_signal"),
        ({"max_logprob_difference": 0.1}, "sampling_logprob_difference", (0.1, 0.2), "engine_mismatch"),
    ],
)
def test_a_gate_ends_the_trial_once_it_was_passed_for_long_enough(
    gate: dict[str, float], column: str, well_and_ill: tuple[float, float], outcome: str
) -> None:
    health, (well, ill) = Health.model_validate(gate | {"patience_steps": 3}), well_and_ill
    assert outcomes(health, column, [ill, ill, well, ill, ill, ill]) == [None] * 5 + [outcome]


def test_a_step_that_did_not_measure_it_neither_counts_nor_mends() -> None:
    health = Health(max_kl=1.0, patience_steps=2)
    assert outcomes(health, "kl", [2.0, None, 2.0]) == [None, None, "kl_blow_up"]
    assert outcomes(health, "kl", [2.0, math.nan, 2.0]) == [None, None, "kl_blow_up"], "as the database has it"


def test_without_gates_nothing_ends() -> None:
    assert outcomes(Health(), "kl", [1e9] * 50) == [None] * 50


def test_a_reward_that_loses_most_of_its_best_mean_has_collapsed() -> None:
    health = Health(max_reward_drop=0.5, patience_steps=2)
    assert outcomes(health, "reward", [0.1, 0.1, 0.6, 0.6, 0.31, 0.31]) == [None] * 6
    assert outcomes(health, "reward", [0.1, 0.1, 0.6, 0.6, 0.2, 0.2])[-1] == "reward_collapse"
    assert outcomes(health, "reward", [math.nan, 0.6, 0.6, 0.2, 0.2])[-1] == "reward_collapse"


def test_what_an_earlier_attempt_saw_counts() -> None:
    health = Health(max_kl=1.0, patience_steps=3)
    gates = HealthGates.after(health, [row(kl=2.0), row(kl=2.0)])
    assert gates.outcome is None
    gates.look(row(kl=2.0))
    with pytest.raises(UnhealthyTrial, match=r"kl_blow_up: health\.max_kl 1 was passed in 3 steps.*step 7") as caught:
        gates.end_the_unhealthy(7)
    assert caught.value.outcome == "kl_blow_up"


def test_a_heart_that_stops_is_noticed_and_one_that_beats_is_not() -> None:
    said: list[str] = []
    stopped = threading.Event()
    beating, still = Heartbeat(), Heartbeat()
    watches = [
        watch_for_stall(beating, minutes=0.01, on_stall=said.append),
        watch_for_stall(still, minutes=0.01, on_stall=lambda what: stopped.set()),
    ]
    for _ in range(12):
        beating.beat()
        time.sleep(0.1)
    assert stopped.is_set()
    assert said == []
    for watch in watches:
        watch.set()
