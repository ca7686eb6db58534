"""The published base-model curves, digitised, as rows of the view `learning_curve`."""

import csv
import os
from pathlib import Path

import pytest


def published_rows() -> list[dict[str, object]]:
    """One run of each size, FLOPs as samples times size; skips the test where the curves are not at hand."""
    folder = os.environ.get("RLSWEEP_PAPER_DATA")
    if not folder:
        pytest.skip("RLSWEEP_PAPER_DATA does not name a folder with base_test_loss_vs_samples.csv")
    with (Path(folder) / "base_test_loss_vs_samples.csv").open() as lines:
        return [_row(index, line) for index, line in enumerate(csv.DictReader(lines))]


def _row(index: int, line: dict[str, str]) -> dict[str, object]:
    size, samples = int(float(line["model_params"])), float(line["samples"])
    return {
        "evaluation_id": index, "trial_id": size, "model": f"base-{size}", "num_params": size, "seed": 0,
        "group_size": 8, "tau": 1.0, "learning_rate": 1e-6, "step": int(line["step"]), "samples": samples,
        "tokens": samples, "flops": samples * size, "paper_flops": None, "gpu_hours": None,
        "benchmark": "held-out maths", "protocol": "mean of 3 runs",
        "problems": 500, "samples_per_problem": None, "successes": None, "score": 1 - float(line["test_loss"]),
        "standard_error": None,
    }  # fmt: skip
