"""A fit as table rows: plain numbers, complete, and equal for equal fits."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from db.records import FitRecords
from scaling.observations import Row, row_sha256
from scaling.records import same_fit
from scaling.scopes import fit_rows
from scaling.settings import FitSettings
from scaling.synthetic import Noise, law_rows, saturating_slopes

SIZES = (1_000, 4_000, 16_000, 64_000)
ROWS = law_rows(
    saturating_slopes(SIZES, k_max=0.25, n0=9_000), seeds=(1, 2), steps=range(20), noise=Noise(), rng_seed=0
)


def records(rows: Sequence[Row] = ROWS, **settings: Any) -> FitRecords:
    return fit_rows(rows, FitSettings(**{"x": "samples", **settings})).records


def test_records_hold_plain_python_values_only() -> None:
    made = records()

    tables = [made.parameters, made.points, made.holdouts, made.forms, made.checks]
    for row in [row for rows in tables for row in rows]:
        assert {type(value) for value in row.values()} <= {int, float, str, bool, bytes, type(None)}
    assert json.loads(json.dumps(made.fit)) == made.fit


def test_every_evaluation_has_a_point_and_only_training_rows_a_weight() -> None:
    points = records(holdout=(64_000,)).points

    assert {point["evaluation_id"] for point in points} == {row["evaluation_id"] for row in ROWS}
    assert {point["role"] for point in points} == {"train", "holdout", "baseline"}
    assert {point["role"] for point in points if point["weight"] is not None} == {"train"}


def test_parameters_are_keyed_by_name_and_size() -> None:
    rows = records().parameters
    keys = [(row["name"], row.get("num_params")) for row in rows]

    assert len(keys) == len(set(keys))
    assert {("K_max", None), ("N_0", None), ("kappa", None), ("k", 1_000), ("E", 64_000)} <= set(keys)


def test_the_draws_of_a_parameter_lie_around_its_estimate() -> None:
    rows = records(draws=200).parameters
    (k_max,) = [row for row in rows if row["name"] == "K_max"]
    draws = np.frombuffer(k_max["draws"], dtype="<f8")

    assert draws.shape == (200,)
    assert k_max["low"] <= np.quantile(draws, 0.25) < k_max["estimate"] < np.quantile(draws, 0.75) <= k_max["high"]


def test_the_settings_and_the_rows_are_enough_to_fit_again() -> None:
    first = records(from_x=1024.0, holdout=(64_000,), draws=50)
    again = fit_rows(ROWS, FitSettings.restored(first.fit["scope"], first.fit["settings"])).records

    assert same_fit(first, again)
    assert first.fit["settings"] == again.fit["settings"]


def test_every_point_has_the_digest_of_what_it_measured() -> None:
    digests = {row["evaluation_id"]: row_sha256(row) for row in ROWS}

    assert {point["evaluation_id"]: point["content_sha256"] for point in records().points} == digests
    assert row_sha256({**ROWS[0], "evaluation_id": 99, "trial_id": 7}) == row_sha256(ROWS[0])


def test_another_score_is_another_fit() -> None:
    changed = [{**ROWS[5], "score": 0.5}, *ROWS[:5], *ROWS[6:]]
    one, other = (records(rows, draws=0) for rows in (ROWS, changed))

    assert not same_fit(one, other)
    assert one.fit["data_sha256"] != other.fit["data_sha256"]
