"""`rlsweep.fit` and its siblings: DataFrames in, dataclasses and DataFrames out."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import rlsweep
from scaling.inter_model.fit import fit_inter_model
from scaling.inter_model.results import InterModelFit
from scaling.observations import from_rows
from scaling.synthetic import Noise, law_rows, saturating_slopes

SIZES = (1_000, 4_000, 16_000, 64_000)
ROWS = law_rows(
    saturating_slopes(SIZES, k_max=0.25, n0=9_000), seeds=(1, 2), steps=range(20), noise=Noise(), rng_seed=0
)


@pytest.fixture
def curve() -> pd.DataFrame:
    """With pandas' own words for what is missing, as `learning_curve` gives it."""
    return pd.DataFrame(ROWS).convert_dtypes()


def test_a_fit_of_a_dataframe_is_that_of_its_rows(curve: pd.DataFrame) -> None:
    assert rlsweep.fit(curve, x="data") == fit_inter_model(from_rows(ROWS))


def test_models_are_held_out_by_name(curve: pd.DataFrame) -> None:
    law = rlsweep.fit(curve, x="data", holdout=["synthetic-64000"], k_form="power", draws=0)
    assert isinstance(law, InterModelFit)
    assert [size.num_params for size in law.sizes if size.held_out] == [64_000]
    assert law.k_form == "power"


def test_parts_of_a_result_are_dataframes(curve: pd.DataFrame) -> None:
    law = rlsweep.fit(curve, x="data")
    assert isinstance(law, InterModelFit)
    forecasts = rlsweep.frame(law.forecasts)
    assert {"mode", "predicted", "interval_low", "interval_high", "relative_error", "covered"} <= set(forecasts)
    assert len(rlsweep.frame(law.sizes)) == len(SIZES)
    with pytest.raises(rlsweep.Error, match="takes parts of a result"):
        rlsweep.frame([1, 2])


def test_sizes_are_predicted_by_name_and_by_number(curve: pd.DataFrame) -> None:
    made = rlsweep.predict(curve, x="data", sizes=["synthetic-64000", 256_000], at=20_000)
    assert [(each.num_params, each.label) for each in made.predictions][1] == (256_000, "zero_shot")
    budget = rlsweep.budget_for(curve, x="data", loss=0.5, size="synthetic-64000")
    assert budget.x is not None
    again = rlsweep.predict(curve, x="data", sizes=[64_000], at=budget.x).predictions[0]
    assert again.loss == pytest.approx(0.5)


def test_the_frontier_is_over_compute(curve: pd.DataFrame) -> None:
    made = rlsweep.frontier(curve, x="compute", also=[256_000])
    assert set(made.sizes) == {*SIZES, 256_000}
    assert len(rlsweep.frame(made.points)) > 10


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"x": "prompts"}, "x = 'prompts': expected one of data, compute"),
        ({"colour": "red"}, "colour is no option of this"),
        ({"holdout": ["m"]}, "model m: no evaluated model has that name"),
        ({"scope": "transfer", "draws": 5}, "draws = 5 means nothing"),
    ],
)
def test_what_is_not_understood_is_refused(curve: pd.DataFrame, options: dict[str, Any], why: str) -> None:
    with pytest.raises(rlsweep.Error, match=why):
        rlsweep.fit(curve, **options)


def test_a_single_name_is_one_name_and_amounts_are_written_as_they_are_shown(curve: pd.DataFrame) -> None:
    one, listed = (
        rlsweep.predict(curve, x="data", sizes=size, holdout=held)
        for size, held in (("64K", "64K"), (["64K"], ["64K"]))
    )

    assert one == listed
    assert [each.label for each in one.predictions] == ["zero_shot"]


def test_the_loss_of_five_sizes_is_taken_apart() -> None:
    sizes = (1_000, 4_000, 16_000, 64_000, 256_000)
    rows = law_rows(saturating_slopes(sizes, k_max=0.25, n0=9_000), seeds=(1, 2), steps=range(40), noise=Noise(0.005),
                    rng_seed=0)  # fmt: skip

    made = rlsweep.decompose(pd.DataFrame(rows), x="data")

    assert [size.num_params for size in made.sizes] == list(sizes)
    assert made.is_research
    with pytest.raises(rlsweep.Error, match="decomposition with one exponent for all sizes takes 5"):
        rlsweep.decompose(pd.DataFrame(ROWS), x="data")


@pytest.mark.parametrize("call", ["predict", "frontier", "decompose"])
def test_an_option_that_would_be_ignored_is_refused(curve: pd.DataFrame, call: str) -> None:
    with pytest.raises(rlsweep.Error, match="equal_size_weight is no option of this"):
        getattr(rlsweep, call)(curve, x="flops" if call == "frontier" else "data", equal_size_weight=True)


@pytest.mark.parametrize("column", ["score", "trial_id", "protocol"])
def test_rows_without_a_column_that_is_needed_are_refused_by_its_name(curve: pd.DataFrame, column: str) -> None:
    with pytest.raises(rlsweep.Error, match=f"no column {column}"):
        rlsweep.fit(curve.drop(columns=[column]), x="data")


@pytest.mark.parametrize("size", [0, -5, float("inf"), float("nan"), 1e30, "none"])
def test_a_size_that_is_none_is_refused(curve: pd.DataFrame, size: float | str) -> None:
    with pytest.raises(rlsweep.Error, match=r"no evaluated model has that name|expected between 1 and"):
        rlsweep.predict(curve, x="data", sizes=[size])
