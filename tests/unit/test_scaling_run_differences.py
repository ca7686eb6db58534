"""Runs of one size that learn at different rates: intervals know it, and where they must be widest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from scaling.forecasting.predict import predict
from scaling.inter_model.estimate import estimate
from scaling.inter_model.fit import fit_inter_model
from scaling.observations import Observations, from_rows
from scaling.synthetic import Noise, Scoring, law_rows, saturating_slopes

SIZES = tuple(int(each * 1e9) for each in (0.36, 1.3, 2.8, 6.5, 13, 31, 70))
SLOPES = saturating_slopes(SIZES, k_max=0.163, n0=17e9)
FIRST = {size: 0.75 * (size / SIZES[0]) ** -0.15 for size in SIZES}
STUDIES = 60
SLOPE_SD = 0.1


def rows(rng_seed: int, *, seeds: int, steps: range, slope_sd: float = SLOPE_SD) -> list[dict[str, object]]:
    return law_rows(
        SLOPES, seeds=range(seeds), steps=steps, noise=Noise(0.01, 0.5, 0.01, slope_sd), rng_seed=rng_seed,
        first_losses=FIRST, scoring=Scoring(500, 8),
    )  # fmt: skip


def studies(seeds: int) -> Iterator[tuple[int, Observations]]:
    for rng_seed in range(STUDIES):
        yield rng_seed, from_rows(rows(rng_seed, seeds=seeds, steps=range(0, 106, 4)))


def test_how_far_slopes_of_runs_differ_is_recovered_and_none_is_seen_where_none_is() -> None:
    found = []
    for slope_sd in (SLOPE_SD, 0.0):
        spreads = [
            estimate(made, made.where("train"), estimator="qb", k_form="free", draws=0).spread
            for made in (
                from_rows(rows(each, seeds=3, steps=range(0, 106, 4), slope_sd=slope_sd)) for each in range(30)
            )
        ]
        found.append(float(np.sqrt(np.mean([(spread.slope_sd or 0.0) ** 2 for spread in spreads]))))

    assert found[0] == pytest.approx(SLOPE_SD, rel=0.25)
    assert found[1] < 0.6 * SLOPE_SD  # correlated noise passes for some


@pytest.mark.parametrize("seeds", [2, 3])
def test_intervals_hold_the_truth_where_the_steepest_runs_differ_most(seeds: int) -> None:
    held: dict[str, list[bool]] = {}
    for _, made in studies(seeds):
        fit = fit_inter_model(made, draws=200)
        for name, truth in (("K_max", 0.163), ("N_0", 17e9)):
            interval = fit.parameter(name).interval  # type: ignore[union-attr]
            held.setdefault(name, []).append(interval is not None and interval.low <= truth <= interval.high)
        largest = fit.sizes[-1].k_interval
        held.setdefault("k", []).append(largest is not None and largest.low <= SLOPES[SIZES[-1]] <= largest.high)
        for each in fit.forecasts:
            if each.mode in ("zero_shot", "kshot"):
                held.setdefault(f"{each.mode} {each.quantity}", []).append(bool(each.covered))

    assert {name: np.mean(each) for name, each in held.items() if np.mean(each) < 0.85} == {}


def test_a_new_run_of_the_steepest_size_lies_inside_its_interval() -> None:
    held = []
    for rng_seed, made in studies(2):
        new = [
            row for row in rows(1000 + rng_seed, seeds=1, steps=range(104, 316, 211)) if row["num_params"] == SIZES[-1]
        ]
        forecasts = predict(made, sizes=[SIZES[-1]], x=[float(str(row["samples"])) for row in new], draws=200)
        for row, each in zip(new, forecasts.predictions, strict=True):
            assert each.new_run is not None
            held.append(each.new_run.low <= 1 - float(str(row["score"])) <= each.new_run.high)

    assert np.mean(held) > 0.88
