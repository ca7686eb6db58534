"""The published base-model curves, digitised, give the published slopes and the published inter-model law."""

import csv
import os
from pathlib import Path

import pytest

from scaling.inter_model.fit import fit_inter_model
from scaling.observations import Observations, from_rows

PUBLISHED_SLOPES = (0.0065, 0.0247, 0.0182, 0.0450, 0.0745, 0.1072, 0.1126)
LARGEST = 72_000_000_000


@pytest.fixture(scope="module")
def published() -> Observations:
    folder = os.environ.get("RLSWEEP_PAPER_DATA")
    if not folder:
        pytest.skip("RLSWEEP_PAPER_DATA does not name a folder with base_test_loss_vs_samples.csv")
    with (Path(folder) / "base_test_loss_vs_samples.csv").open() as lines:
        return from_rows([_row(index, line) for index, line in enumerate(csv.DictReader(lines))])


def _row(index: int, line: dict[str, str]) -> dict[str, object]:
    size, samples = int(float(line["model_params"])), float(line["samples"])
    return {
        "evaluation_id": index, "trial_id": size, "model": f"base-{size}", "num_params": size, "total_params": size,
        "nominal_params": float(size), "seed": 0, "group_size": 8, "tau": 1.0, "learning_rate": 1e-6,
        "step": int(line["step"]), "samples": samples, "tokens": samples, "flops": samples * size,
        "paper_flops": None, "train_seconds": 0.0, "benchmark": "held-out maths", "protocol": "mean of 3 runs",
        "problems": 500, "samples_per_problem": None, "successes": None, "score": 1 - float(line["test_loss"]),
        "standard_error": None, "trial_state": "succeeded", "final": False,
    }  # fmt: skip


@pytest.mark.parametrize("estimator", ["ols-log", "linear-ls"])
def test_the_free_slopes_are_the_published_ones(published: Observations, estimator: str) -> None:
    fit = fit_inter_model(published, estimator=estimator, draws=0)

    assert [size.k for size in fit.sizes] == pytest.approx(PUBLISHED_SLOPES, abs=0.002)


def test_the_law_of_the_sizes_up_to_32b_is_the_published_one(published: Observations) -> None:
    fit = fit_inter_model(published, estimator="linear-ls", holdout=[LARGEST], draws=0)

    assert fit.parameter("K_max").value == pytest.approx(0.163, abs=0.003)  # type: ignore[union-attr]
    assert fit.parameter("N_0").value == pytest.approx(17.0e9, rel=0.03)  # type: ignore[union-attr]


def test_the_forecast_of_72b_overshoots_and_only_the_oracle_looks_good(published: Observations) -> None:
    fit = fit_inter_model(published, holdout=[LARGEST], draws=0)
    errors = {(each.mode, each.quantity): each.relative_error for each in fit.forecasts}

    assert errors["zero_shot", "k"] == pytest.approx(0.18, abs=0.03)
    assert errors["zero_shot", "loss"] < -0.05  # type: ignore[operator]
    assert abs(errors["oracle_level", "loss"]) < abs(errors["zero_shot", "loss"])  # type: ignore[arg-type]


def test_saturation_is_not_presented_as_established(published: Observations) -> None:
    fit = fit_inter_model(published)
    found = {check.code: check.severity for check in fit.checks if check.severity == "warning"}

    assert {"F01", "F08", "SEEDS"} <= set(found)
    assert fit.r2_size_means == pytest.approx(0.945, abs=0.01)
