"""Evaluations become observations: roles, windows, refusals, and a digest that knows only what was measured."""

import random

import numpy as np
import pytest

from scaling.errors import FitError
from scaling.observations import data_sha256, from_rows
from scaling.synthetic import Noise, Scoring, law_rows

SLOPES = {1_000: 0.1, 4_000: 0.2}
STEPS = (0, 4, 16, 40, 100)


def rows(**changes: object) -> list[dict[str, object]]:
    made = law_rows(SLOPES, seeds=(1, 2), steps=STEPS, noise=Noise(), rng_seed=0, prompts_per_step=64)
    return [{**row, **changes} for row in made]


def test_every_row_keeps_a_role_and_the_unused_ones_a_reason() -> None:
    observations = from_rows(rows(), from_x=1024, to_x=5000)

    assert len(observations) == len(rows())
    for step, role in zip(observations.step, observations.role, strict=True):
        assert role == {0: "baseline", 4: "outside_window", 16: "train", 40: "train", 100: "outside_window"}[int(step)]
    assert all(reason for role, reason in zip(observations.role, observations.reason, strict=True) if role != "train")


@pytest.mark.parametrize(("kind", "column"), [("samples", "samples"), ("flops", "flops"), ("steps", "step")])
def test_x_is_the_column_that_was_asked_for(kind: str, column: str) -> None:
    observations = from_rows(rows(), x=kind)  # type: ignore[arg-type]

    assert sorted(observations.x.tolist()) == sorted(float(row[column]) for row in rows())  # type: ignore[arg-type]


def test_mixed_benchmarks_are_refused_by_name() -> None:
    mixed = [*rows(), *rows(benchmark="gsm8k")]

    with pytest.raises(FitError, match=r"gsm8k, synthetic.*--benchmark"):
        from_rows(mixed)


def test_mixed_protocols_are_refused_by_name() -> None:
    with pytest.raises(FitError, match=r"exact, greedy.*--protocol"):
        from_rows([*rows(), *rows(protocol="greedy")])


def test_no_rows_are_refused() -> None:
    with pytest.raises(FitError, match="no evaluations"):
        from_rows([])


def test_a_repeated_step_keeps_its_last_evaluation() -> None:
    again = {**rows()[2], "evaluation_id": 999, "score": 0.5}

    observations = from_rows([again, *rows()])

    first = observations.evaluation_id.tolist().index(rows()[2]["evaluation_id"])
    last = observations.evaluation_id.tolist().index(999)
    assert (observations.role[first], observations.role[last]) == ("superseded", "train")


def test_row_order_and_database_ids_do_not_change_the_digest_but_a_score_does() -> None:
    shuffled = [
        {**row, "evaluation_id": index, "trial_id": 7 + int(str(row["seed"]))} for index, row in enumerate(rows())
    ]
    random.Random(3).shuffle(shuffled)
    touched = [{**rows()[0], "score": 0.123}, *rows()[1:]]

    assert data_sha256(shuffled) == data_sha256(rows())
    assert data_sha256(touched) != data_sha256(rows())


def test_a_missing_x_is_unusable_and_not_zero() -> None:
    lacking = [{**row, "flops": None} if row["step"] == 16 else row for row in rows()]

    observations = from_rows(lacking, x="flops")

    assert {observations.role[i] for i in np.flatnonzero(observations.step == 16)} == {"unusable"}


def test_counts_are_read_as_failures_and_exact_scores_have_none() -> None:
    sampled = law_rows(
        SLOPES, seeds=(1,), steps=STEPS, noise=Noise(), rng_seed=0, scoring=Scoring(problems=50, samples_per_problem=4)
    )

    counted, exact = from_rows(sampled), from_rows(rows())

    assert counted.has_counts
    assert not exact.has_counts
    np.testing.assert_allclose(counted.failures / counted.attempts, counted.loss)
    assert np.isnan(exact.failures).all()


def test_holding_out_an_unknown_size_says_which_there_are() -> None:
    with pytest.raises(FitError, match="1000, 4000"):
        from_rows(rows()).hold_out([72])


def test_an_axis_that_the_runs_do_not_have_is_refused_with_those_that_they_have() -> None:
    with pytest.raises(FitError, match=r"these runs have no flops.*--x data.*--x steps"):
        from_rows(rows(flops=None), x="flops")


def test_the_later_evaluation_of_a_step_counts_though_it_was_cheaper() -> None:
    """A resumed attempt can reach a step with fewer tokens than the one that was lost."""
    again = {**rows()[2], "evaluation_id": 999, "samples": float(str(rows()[2]["samples"])) - 1}

    observations = from_rows([again, *rows()])

    assert observations.role[observations.evaluation_id.tolist().index(999)] == "train"


def test_a_trial_that_is_there_twice_is_no_second_seed() -> None:
    copies = [{**row, "trial_id": 100 + int(str(row["trial_id"])), "evaluation_id": -index} for index, row in
              enumerate(rows(), start=1)]  # fmt: skip
    alike = [{**row, "seed": 77} for row in copies]

    once, twice, two_seeds = (from_rows(each) for each in (rows(), [*rows(), *copies], [*rows(), *alike]))

    assert int(twice.where("train").sum()) == int(once.where("train").sum())
    assert twice.role.count("superseded") == len(copies)
    assert all("a copy" in why for role, why in zip(twice.role, twice.reason, strict=True) if role == "superseded")
    assert int(two_seeds.where("train").sum()) == 2 * int(once.where("train").sum())


def test_the_seed_of_draws_depends_on_the_rows_that_are_seen_alone() -> None:
    observations = from_rows(rows())
    spoiled = from_rows([*rows()[:-1], {**rows()[-1], "score": 0.123}])
    seen = observations.where("train")
    seen[-1] = False

    assert observations.seed_of(seen) == spoiled.seed_of(seen)
    assert observations.seed_of(observations.where("train")) != spoiled.seed_of(spoiled.where("train"))
