"""A fit as table rows: plain numbers, complete, and equal for equal fits."""

import json

import numpy as np

from scaling.inter_model.fit import fit_inter_model
from scaling.inter_model.records import same_fit, spec_of, to_records
from scaling.observations import from_rows
from scaling.synthetic import Noise, law_rows, saturating_slopes

SIZES = (1_000, 4_000, 16_000, 64_000)
ROWS = law_rows(
    saturating_slopes(SIZES, k_max=0.25, n0=9_000), seeds=(1, 2), steps=range(20), noise=Noise(), rng_seed=0
)


def test_records_hold_plain_python_values_only() -> None:
    records = to_records(fit_inter_model(from_rows(ROWS)))

    tables = [records.parameters, records.points, records.holdouts, records.forms, records.checks]
    for row in [row for rows in tables for row in rows]:
        assert {type(value) for value in row.values()} <= {int, float, str, bool, bytes, type(None)}
    assert json.loads(json.dumps(records.fit)) == records.fit


def test_every_evaluation_has_a_point_and_only_training_rows_a_weight() -> None:
    points = to_records(fit_inter_model(from_rows(ROWS), holdout=[64_000])).points

    assert {point["evaluation_id"] for point in points} == {row["evaluation_id"] for row in ROWS}
    assert {point["role"] for point in points} == {"train", "holdout", "baseline"}
    assert {point["role"] for point in points if point["weight"] is not None} == {"train"}


def test_parameters_are_keyed_by_name_and_size() -> None:
    rows = to_records(fit_inter_model(from_rows(ROWS))).parameters
    keys = [(row["name"], row["num_params"]) for row in rows]

    assert len(keys) == len(set(keys))
    assert {("K_max", 0), ("N_0", 0), ("kappa", 0), ("k", 1_000), ("E", 64_000)} <= set(keys)


def test_the_draws_of_a_parameter_lie_around_its_estimate() -> None:
    rows = to_records(fit_inter_model(from_rows(ROWS), draws=200)).parameters
    (k_max,) = [row for row in rows if row["name"] == "K_max"]
    draws = np.frombuffer(k_max["draws"], dtype="<f8")

    assert draws.shape == (200,)
    assert k_max["low"] <= np.quantile(draws, 0.25) < k_max["estimate"] < np.quantile(draws, 0.75) <= k_max["high"]


def test_the_spec_and_the_rows_are_enough_to_fit_again() -> None:
    fit = fit_inter_model(from_rows(ROWS, from_x=1024.0), holdout=[64_000], draws=50)
    spec = to_records(fit).fit["settings"]

    observations = from_rows(ROWS, x=spec["x"], from_x=spec["from_x"], to_x=spec["to_x"])
    again = fit_inter_model(
        observations,
        k_form=spec["k_form"],
        estimator=spec["estimator"],
        holdout=spec["holdout"],
        draws=spec["draws"],
    )

    assert same_fit(to_records(fit), to_records(again))
    assert spec == spec_of(again)


def test_another_score_is_another_fit() -> None:
    changed = [{**ROWS[5], "score": 0.5}, *ROWS[:5], *ROWS[6:]]
    one, other = (to_records(fit_inter_model(from_rows(rows), draws=0)) for rows in (ROWS, changed))

    assert not same_fit(one, other)
    assert one.fit["data_sha256"] != other.fit["data_sha256"]
