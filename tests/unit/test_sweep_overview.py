"""A sweep at a glance fits the terminal, whatever its size, and says what matters first."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from db.progress import FailureRow, Pace, SweepProgress
from db.reader import DriverRow, TrialRow
from db.spending import Spending
from orchestrator.screens.sweep_overview import sweep_overview

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TRIAL = TrialRow(
    sweep_id=1, trial_id=1, position=0, model="qwen2.5-7b", seed=0, state="running", hold=None, priority=0,
    num_params=6_500_000_000, attempt=2, attempt_state="running", phase="training", phase_detail=None, started_at=NOW,
    ended_at=None, lease_expires_at=NOW, failure_class=None, outcome=None, message=None, step=12, budget_unit="steps",
    budget_last=24.0, spent=12.0, train_seconds=600.0, first_loss=0.7, last_loss=0.5,
    axes={"model": "qwen2.5-7b", "tau": 5},
)  # fmt: skip
TRIALS = [
    replace(
        TRIAL, trial_id=number, model=model, seed=seed, state=state, spent=spent,
        axes={"model": model, "tau": tau, "seed": seed},
    )
    for number, (model, tau, seed, state, spent) in enumerate(
        (
            (model, tau, seed, state, {"succeeded": 24.0, "running": 12.0}.get(state, 0.0))
            for model in ("qwen2.5-0.5b", "qwen2.5-7b", "qwen2.5-72b")
            for tau in (1, 5)
            for seed, state in enumerate(("succeeded", "running", "failed", "queued"))
        ),
        start=1,
    )
]  # fmt: skip
PROGRESS = SweepProgress(
    spent=Spending(flops=2.5e19, gpu_hours=120.0), planned_flops=1e20, planned_gpu_hours=400.0, num_gpus=24.0,
    pace=Pace(3.5, 1792.0, 1_250_000.0),
    failures=(
        FailureRow(3, 2, "nccl", "NCCL error in: ProcessGroupNCCL.cpp:3690, unhandled system error\nof it", 95.0),
        FailureRow(7, 1, "gpu_memory", None, 4000.0),
    ),
    driver=DriverRow("head-1", 4711, True, "http://10.0.0.1:8265", "rlsweep-s-1"),
)  # fmt: skip


def lines(width: int = 120, height: int = 50, *, progress: SweepProgress = PROGRESS) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(sweep_overview("data-reuse", TRIALS, progress, width=width, height=height))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("height", [24, 50])
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_it_fits(width: int, height: int) -> None:
    shown = lines(width, height)
    assert max(map(len, shown)) <= width
    assert len(shown) <= height


def test_it_says_how_far_each_value_of_each_axis_is() -> None:
    shown = "\n".join(lines())
    assert "launched by process 4711 on head-1, on the cluster at http://10.0.0.1:8265 as job rlsweep-s-1" in shown
    assert "38%  6 queued, 6 running, 6 succeeded, 6 failed; about " in shown
    of_model = next(line for line in lines() if line.startswith("model"))
    assert of_model.split() == ["model", "qwen2.5-0.5b", "██████░░░░░░░░░░", "38%", "4", "of", "8,", "2", "failed"]
    of_seed = [line.split()[-3:] for line in lines() if "of 6" in line]
    assert of_seed == [["6", "of", "6"], ["0", "of", "6"], ["6,", "6", "failed"], ["0", "of", "6"]]


def test_it_says_what_was_paid_of_the_plan_how_fast_it_goes_and_what_failed() -> None:
    shown = lines()
    assert "paid 25 EFLOP (25% of the plan); 120.0 GPU-hours (30% of the plan)" in shown
    assert "3.5 steps/min, 1,792 prompts/s, 1,250,000 completion tokens/s on 24 GPUs" in shown
    failed = [line for line in shown if line.startswith("trial ") and "attempt" in line]
    assert failed[0].startswith("trial 3, attempt 2  nccl  1:35 ago  NCCL error in: ProcessGroupNCCL.cpp:3690")
    assert "of it" not in failed[0]
    assert failed[1] == "trial 7, attempt 1  gpu_memory  1:06:40 ago"


def test_what_is_not_known_is_not_said() -> None:
    unknown = replace(
        PROGRESS, planned_flops=None, planned_gpu_hours=None, pace=Pace(None, None, None), failures=(),
        driver=DriverRow(None, None, False, None, None),
    )  # fmt: skip
    shown = "\n".join(lines(progress=unknown))
    assert "nobody launches trials of it now" in shown
    assert "of the plan" not in shown
    assert "steps/min" not in shown
    assert "last failures" not in shown
