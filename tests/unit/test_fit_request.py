"""What is fitted: the command line before the sweep file before the defaults, and nothing that cannot be."""

from __future__ import annotations

import pytest

from db.errors import SpecError
from orchestrator.fitting import FitRequest, scored

IN_FILE = {"scope": "inter-model", "x": "data", "from": 1024.0}


def test_the_sweep_files_settings_hold_unless_the_command_line_says_otherwise() -> None:
    assert FitRequest.resolve(IN_FILE, scope=None, x=None, from_x=None) == FitRequest(x="data", from_x=1024.0)
    assert FitRequest.resolve(IN_FILE, scope=None, x=None, from_x=10.0) == FitRequest(x="data", from_x=10.0)
    assert FitRequest.resolve(None, scope=None, x=None, from_x=None) == FitRequest(x="compute", from_x=None)


def test_a_window_chosen_for_one_axis_is_not_used_on_another() -> None:
    assert FitRequest.resolve(IN_FILE, scope=None, x="compute", from_x=None) == FitRequest(x="compute", from_x=None)


def test_a_scope_or_an_axis_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match="--scope group-size: this version fits inter-model only"):
        FitRequest.resolve(IN_FILE, scope="group-size", x=None, from_x=None)
    with pytest.raises(SpecError, match="--x prompts: expected one of compute, data"):
        FitRequest.resolve(IN_FILE, scope=None, x="prompts", from_x=None)


ROWS = [{"benchmark": name, "protocol": "exact", "score": 0.5} for name in ("gsm8k", "heldout", "gsm8k")]


def test_one_of_several_benchmarks_can_be_asked_for() -> None:
    assert len(scored(ROWS, FitRequest(benchmark="gsm8k"))) == 2
    assert len(scored(ROWS, FitRequest())) == 3


def test_a_benchmark_that_was_not_scored_is_refused_with_those_that_were() -> None:
    with pytest.raises(SpecError, match=r"--benchmark gsm9k: .*there are: gsm8k, heldout"):
        scored(ROWS, FitRequest(benchmark="gsm9k"))
