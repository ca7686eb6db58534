"""Forecasts carry the label that their row sets earn, and nothing of a held-out size leaks into the law."""

import numpy as np
import pytest

from scaling.errors import FitError
from scaling.inter_model.fit import fit_inter_model
from scaling.inter_model.labels import mode_of
from scaling.inter_model.results import Forecast, InterModelFit
from scaling.observations import from_rows
from scaling.synthetic import Noise, Scoring, law_rows, saturating_slopes

SIZES = (1_000, 4_000, 16_000, 64_000, 256_000)
ROWS = law_rows(
    saturating_slopes(SIZES, k_max=0.25, n0=20_000),
    seeds=(1, 2),
    steps=range(41),
    noise=Noise(0.01),
    rng_seed=0,
    first_losses=dict(zip(SIZES, (0.9, 0.85, 0.8, 0.75, 0.7), strict=True)),
)


def by_label(fit: InterModelFit, quantity: str = "loss") -> dict[str, Forecast]:
    return {each.label: each for each in fit.forecasts if each.quantity == quantity}


def test_a_scored_row_in_the_estimation_is_never_a_prediction() -> None:
    assert mode_of(seen={1, 2}, level=(), scored={9}, held_out=True) == "zero_shot"
    assert mode_of(seen={1, 2}, level={5, 6}, scored={9}, held_out=True) == "kshot"
    assert mode_of(seen={1, 2}, level={5, 9}, scored={9}, held_out=True) == "oracle_level"
    assert mode_of(seen={1, 9}, level=(), scored={9}, held_out=True) == "oracle_level"
    assert mode_of(seen={1, 9}, level=(), scored={9}, held_out=False) == "in_sample"


def test_the_largest_size_is_forecast_from_the_others_without_being_asked() -> None:
    fit = fit_inter_model(from_rows(ROWS), draws=100)

    assert set(by_label(fit)) == {"zero_shot", "kshot(10)", "oracle_level", "in_sample"}
    for forecast in fit.forecasts:
        assert forecast.target_size == SIZES[-1]
        assert forecast.trained_on == (SIZES if forecast.mode == "in_sample" else SIZES[:-1])
    assert abs(by_label(fit)["zero_shot"].relative_error) < 0.05  # type: ignore[arg-type]
    assert by_label(fit, "k")["zero_shot"].covered


def test_changing_the_held_out_rows_changes_no_zero_shot_number() -> None:
    spoiled = [
        {**row, "score": 0.9 * float(str(row["score"]))} if row["num_params"] == SIZES[-1] else row for row in ROWS
    ]

    one, other = (fit_inter_model(from_rows(rows), holdout=[SIZES[-1]], draws=0) for rows in (ROWS, spoiled))

    assert one.law == other.law
    assert by_label(one)["zero_shot"].predicted == by_label(other)["zero_shot"].predicted
    assert by_label(one, "k")["zero_shot"].predicted == by_label(other, "k")["zero_shot"].predicted
    assert by_label(one)["oracle_level"].predicted != by_label(other)["oracle_level"].predicted


def test_a_held_out_size_is_described_but_not_fitted() -> None:
    fit = fit_inter_model(from_rows(ROWS), holdout=[SIZES[-1]], draws=100)

    assert [size.held_out for size in fit.sizes] == [False] * 4 + [True]
    assert {point.role for point in fit.points if point.weight is None} == {"baseline", "holdout"}
    assert "in_sample" not in by_label(fit)


def test_holding_out_the_largest_gives_the_forecast_that_is_made_anyway() -> None:
    whole = fit_inter_model(from_rows(ROWS), draws=0)
    without = fit_inter_model(from_rows(ROWS), holdout=[SIZES[-1]], draws=0)

    assert by_label(whole)["zero_shot"].predicted == by_label(without)["zero_shot"].predicted


def test_several_sizes_can_be_held_out() -> None:
    fit = fit_inter_model(from_rows(ROWS), holdout=SIZES[-2:], draws=0)

    assert {each.target_size for each in fit.forecasts} == set(SIZES[-2:])


def test_three_sizes_leave_nothing_to_forecast_from_and_that_is_said() -> None:
    rows = [row for row in ROWS if int(str(row["num_params"])) in SIZES[:3]]

    fit = fit_inter_model(from_rows(rows), draws=0)

    assert [each.mode for each in fit.forecasts] == ["in_sample"]
    assert [check.severity for check in fit.checks if check.code == "F03"] == ["note"]


def test_a_forecast_far_off_and_outside_its_interval_is_a_warning() -> None:
    slopes = {**saturating_slopes(SIZES, k_max=0.25, n0=20_000), SIZES[-1]: 0.0}
    rows = law_rows(
        slopes, seeds=(1, 2, 3), steps=range(1, 80), noise=Noise(0.003), rng_seed=0,
        first_losses=dict.fromkeys(SIZES, 0.8),
    )  # fmt: skip

    fit = fit_inter_model(from_rows(rows))

    assert by_label(fit)["zero_shot"].covered is False
    assert [check.severity for check in fit.checks if check.code == "F03"] == ["warning"]


def test_the_zero_shot_line_of_the_figure_ends_at_the_forecast() -> None:
    fit = fit_inter_model(from_rows(ROWS), draws=0)
    line = fit.forecast_line

    assert line is not None
    end = np.exp(line.level - line.k * np.log(line.x_max / line.level_x))
    assert end == pytest.approx(by_label(fit)["zero_shot"].predicted)


def test_every_size_set_aside_is_said() -> None:
    with pytest.raises(FitError, match="every size is set aside"):
        fit_inter_model(from_rows(ROWS), holdout=SIZES)


def test_over_compute_the_level_is_no_further_off_than_over_data() -> None:
    """At one budget small sizes have learned for long; a line in ln N through their levels there is bent by k(N)."""
    sizes = tuple(int(each * 1e9) for each in (0.5, 1.5, 3, 7, 14, 32, 72))
    rows = law_rows(
        saturating_slopes(sizes, k_max=0.135, n0=13e9), seeds=(1,), steps=range(1, 106), noise=Noise(0.0), rng_seed=0,
        first_losses={size: 0.9 * (size / sizes[0]) ** -0.05 for size in sizes},
    )  # fmt: skip

    errors = [by_label(fit_inter_model(from_rows(rows, x=x), draws=0))["zero_shot"].relative_error for x in
              ("samples", "flops")]  # type: ignore[arg-type]  # fmt: skip

    assert errors == pytest.approx([0.0, 0.0], abs=1e-6)


def test_the_scatter_of_what_is_held_out_does_not_reach_the_forecast() -> None:
    counted = law_rows(
        saturating_slopes(SIZES, k_max=0.25, n0=20_000), seeds=(1, 2), steps=range(41), noise=Noise(0.01), rng_seed=0,
        scoring=Scoring(200, 4),
    )  # fmt: skip
    lucky = [
        {**row, "successes": 400, "score": 0.5} if row["num_params"] == SIZES[-1] and row["step"] == 40 else row
        for row in counted
    ]

    plain, other = (
        by_label(fit_inter_model(from_rows(each), holdout=[SIZES[-1]], draws=100))["zero_shot"]
        for each in (counted, lucky)
    )

    assert (plain.predicted, plain.interval) == (other.predicted, other.interval)
    assert plain.actual != other.actual
