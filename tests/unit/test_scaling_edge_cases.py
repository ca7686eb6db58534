"""The corners of the data: perfect and hopeless scores, few evaluations, odd axes, and runs that were resumed."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.axes import XKind
from scaling.errors import FitError
from scaling.inter_model.fit import fit_inter_model
from scaling.inter_model.labels import mode_of
from scaling.inter_model.results import InterModelFit
from scaling.observations import from_rows
from scaling.regression.estimators import ESTIMATORS
from scaling.synthetic import Noise, Scoring, law_rows, saturating_slopes

SIZES = (1_000, 4_000, 16_000, 64_000)
SLOPES = saturating_slopes(SIZES, k_max=0.25, n0=8_000)
COUNTED = Scoring(problems=100, samples_per_problem=1)


def rows(
    *, steps: int = 40, seeds: int = 2, scoring: Scoring | None = None, noise: Noise | None = None
) -> list[dict[str, object]]:
    return law_rows(
        SLOPES, seeds=range(seeds), steps=range(steps + 1), noise=noise or Noise(0.01), rng_seed=0, scoring=scoring
    )


def codes(fit: InterModelFit) -> dict[str, str]:
    return {check.code: check.severity for check in fit.checks}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_single_scores_of_zero_and_one_stop_no_estimator(estimator: str) -> None:
    made = rows(scoring=COUNTED)
    made[5] = {**made[5], "successes": 100, "score": 1.0}
    made[6] = {**made[6], "successes": 0, "score": 0.0}

    fit = fit_inter_model(from_rows(made), estimator=estimator, draws=50)

    roles = {point.evaluation_id: point.role for point in fit.points}
    assert roles[6] == ("clipped" if estimator in ("ols-log", "huber") else "train")
    assert roles[7] == "train"
    assert np.isfinite([size.k for size in fit.sizes]).all()


def test_a_size_without_a_wrong_answer_is_dropped_with_f06_and_the_others_are_fitted() -> None:
    made = [
        {**row, "successes": 100, "score": 1.0} if row["num_params"] == SIZES[-1] else row
        for row in rows(scoring=COUNTED)
    ]
    fit = fit_inter_model(from_rows(made), draws=0)

    dropped = [check for check in fit.checks if check.code == "F06" and check.size == SIZES[-1]]
    assert [size.num_params for size in fit.sizes] == list(SIZES[:-1])
    assert [check.severity for check in dropped] == ["note"]


@pytest.mark.parametrize("k_form", ["saturating", "hill", "power", "constant"])
def test_a_falling_k_is_a_bound_of_the_law_and_free_slopes_keep_it(k_form: str) -> None:
    slopes = dict.fromkeys(SIZES, -0.1)
    made = law_rows(
        slopes, seeds=(1, 2), steps=range(1, 40), noise=Noise(0.01), rng_seed=0, first_losses=dict.fromkeys(SIZES, 0.4)
    )
    free = fit_inter_model(from_rows(made), k_form="free", draws=0)
    law = fit_inter_model(from_rows(made), k_form=k_form, draws=50)

    assert all(size.k == pytest.approx(-0.1, abs=0.02) for size in free.sizes)
    if k_form != "constant":
        assert law.law is not None
        assert law.law.parameters[0].value == 0.0
        assert codes(law)["F07"] == "warning"


def test_one_seed_leaves_the_variance_between_runs_unknown_and_says_so() -> None:
    fit = fit_inter_model(from_rows(rows(seeds=1)), draws=100)

    assert fit.run_sd is None
    assert codes(fit)["SEEDS"] == "warning"
    assert "F11" not in codes(fit)
    assert {parameter.interval.method for parameter in fit.law.parameters if parameter.interval} == {"block bootstrap"}  # type: ignore[union-attr]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_seven_evaluations_a_run_have_no_interval_and_eight_have_one(estimator: str) -> None:
    made = law_rows(SLOPES, seeds=(1,), steps=range(1, 9), noise=Noise(0.01), rng_seed=0, scoring=COUNTED)
    eight = fit_inter_model(from_rows(made), estimator=estimator, draws=50)
    seven = fit_inter_model(from_rows([r for r in made if r["step"] != 8]), estimator=estimator, draws=50)

    assert all(size.k_interval is not None for size in eight.sizes)
    assert all(size.k_interval is None for size in seven.sizes)
    assert codes(seven)["SHORT"] == "note"


def test_three_sizes_below_n0_know_only_kappa() -> None:
    small = saturating_slopes((1_000, 2_000, 4_000), k_max=40.0, n0=2e6)
    made = law_rows(small, seeds=(1, 2), steps=range(1, 60), noise=Noise(0.005), rng_seed=0)

    found = fit_inter_model(from_rows(made)).identification

    assert found.verdict == "kmax_not_identified"
    assert found.kappa == pytest.approx(40.0 / 2e6, rel=0.15)
    assert "kappa" in found.message


def test_evaluations_at_x_zero_are_the_baseline_and_kept() -> None:
    fit = fit_inter_model(from_rows(rows()), draws=0)
    without = fit_inter_model(from_rows([row for row in rows() if row["step"] != 0]), draws=0)

    assert sum(point.role == "baseline" for point in fit.points) == 8
    assert [size.k for size in fit.sizes] == [size.k for size in without.sizes]
    assert fit.sizes[0].baseline_loss is not None
    assert without.sizes[0].baseline_loss is None


def test_a_step_that_was_run_again_after_a_resume_counts_once_with_its_last_value() -> None:
    made = rows()
    again = [{**row, "evaluation_id": 1_000 + int(str(row["evaluation_id"]))} for row in made if row["step"] == 20]
    stale = [{**row, "score": 0.0} if row["step"] == 20 else row for row in made]

    fit, clean = (fit_inter_model(from_rows(each), draws=0) for each in ([*stale, *again], made))

    assert [size.k for size in fit.sizes] == [size.k for size in clean.sizes]
    superseded = [point for point in fit.points if point.role == "superseded"]
    assert len(superseded) == 8
    assert "evaluated again" in superseded[0].reason


@pytest.mark.parametrize("equal_size_weight", [False, True])
def test_sizes_with_runs_of_different_length_are_fitted_together(equal_size_weight: bool) -> None:
    longest = dict(zip(SIZES, (10, 20, 40, 40), strict=True))
    made = [row for row in rows() if int(str(row["step"])) <= longest[int(str(row["num_params"]))]]

    fit = fit_inter_model(from_rows(made), draws=100, equal_size_weight=equal_size_weight)

    assert [size.num_evaluations for size in fit.sizes] == [20, 40, 80, 80]
    assert fit.sizes[-1].k_law == pytest.approx(SLOPES[SIZES[-1]], abs=0.02)


@pytest.mark.parametrize("column", ["benchmark", "protocol"])
def test_mixed_evaluation_sets_are_refused(column: str) -> None:
    with pytest.raises(FitError, match=f"mix 2 values of {column}"):
        from_rows([*rows(), *({**row, column: "other"} for row in rows())])


@pytest.mark.parametrize("x", ["gpu_hours", "paper_flops"])
def test_every_axis_that_the_runs_have_can_carry_the_law(x: XKind) -> None:
    """x in proportion to samples inside a size leaves k as it is."""
    made = [{**row, x: float(str(row["samples"])) * float(str(row["num_params"])) * 1e-3} for row in rows()]

    over_x, over_samples = (fit_inter_model(from_rows(made, x=kind), draws=0) for kind in (x, "samples"))

    assert over_x.x_kind == x
    assert [size.k for size in over_x.sizes] == pytest.approx([size.k for size in over_samples.sizes])
    with pytest.raises(FitError, match=f"no {x}"):
        from_rows([{**row, x: None} for row in rows()], x=x)


def test_the_interval_of_the_mean_is_inside_that_of_a_new_run() -> None:
    noise = Noise(0.01, level_sd=0.03)
    fit = fit_inter_model(from_rows(rows(noise=noise)), draws=100)
    alike = fit_inter_model(from_rows(rows()), draws=100)

    def ratio(of: InterModelFit) -> float:
        (forecast,) = (each for each in of.forecasts if each.mode == "zero_shot" and each.quantity == "loss")
        mean, new = forecast.mean_interval, forecast.interval
        assert mean is not None
        assert new is not None
        assert new.low <= mean.low < forecast.predicted < mean.high <= new.high
        return (new.high - new.low) / (mean.high - mean.low)

    assert ratio(fit) > 1.0
    assert ratio(alike) > 1.0
    slopes = [each for each in fit.forecasts if each.quantity == "k"]
    assert all(each.mean_interval and each.interval for each in slopes)
    assert slopes[0].mean_interval.high - slopes[0].mean_interval.low < slopes[0].interval.high - slopes[0].interval.low  # type: ignore[union-attr]
    assert mode_of(seen={1}, level=(), scored={2}, held_out=True) == "zero_shot"


def test_one_score_without_counts_is_left_out_and_the_others_keep_theirs() -> None:
    made = rows(scoring=COUNTED)
    made[7] = {**made[7], "successes": None}

    fit = fit_inter_model(from_rows(made), draws=0)

    assert fit.estimator == "qb"
    left_out = [point for point in fit.points if point.role == "unusable"]
    assert [(point.evaluation_id, point.reason) for point in left_out] == [
        (8, "a score without counts, which the others have")
    ]
    assert "F06" in codes(fit)


def test_scores_mostly_without_counts_are_fitted_without_them() -> None:
    made = [{**row, "successes": None} if index % 3 else row for index, row in enumerate(rows(scoring=COUNTED))]

    assert fit_inter_model(from_rows(made), draws=0).estimator == "ols-log"


def test_a_benchmark_that_is_solved_is_called_so() -> None:
    solved = [{**row, "successes": 100, "score": 1.0} for row in rows(scoring=COUNTED)]

    with pytest.raises(FitError, match=r"every answer is right.*--benchmark"):
        fit_inter_model(from_rows(solved), draws=0)


def test_a_held_out_size_with_nothing_to_forecast_is_named() -> None:
    made = [
        {**row, "successes": 100, "score": 1.0} if row["num_params"] == SIZES[-1] else row
        for row in rows(scoring=COUNTED)
    ]

    with pytest.raises(FitError, match=r"N = 64000 was set aside.*no wrong answer"):
        fit_inter_model(from_rows(made), holdout=[SIZES[-1]], draws=0)


def test_a_size_with_short_runs_leaves_the_others_their_intervals() -> None:
    made = [row for row in rows(seeds=1) if row["num_params"] != SIZES[1] or int(str(row["step"])) % 10 == 0]

    fit = fit_inter_model(from_rows(made), draws=200)

    assert all(size.k_interval is not None for size in fit.sizes)
    assert all(parameter.interval is not None for parameter in fit.law.parameters)  # type: ignore[union-attr]
    assert fit.sizes[1].k_interval.low < SLOPES[SIZES[1]] < fit.sizes[1].k_interval.high  # type: ignore[union-attr]
    (check,) = [check for check in fit.checks if check.code == "SHORT"]
    assert "at 4K: how their noise correlates is taken from the longer runs" in check.message


def test_where_nothing_learns_n0_has_no_interval() -> None:
    made = [{**row, "score": 1 - min(0.5 * max(float(str(row["step"])), 1.0) ** 0.1, 1.0)} for row in rows()]

    fit = fit_inter_model(from_rows(made), draws=200)

    assert fit.identification.verdict == "no_learning"
    assert [parameter.interval for parameter in fit.law.parameters] == [None, None]  # type: ignore[union-attr]


def test_forms_too_rich_for_an_aicc_are_ranked_after_those_that_have_one() -> None:
    made = [
        row for row in rows(seeds=1)
        if int(str(row["step"])) in ((1, 20, 40) if row["num_params"] in SIZES[:2] else (1, 40))
    ]  # fmt: skip

    fit = fit_inter_model(from_rows(made), draws=0)

    have = [form.aicc is not None for form in fit.forms]
    assert True in have
    assert False in have
    assert have == sorted(have, reverse=True)
    scores = [form.aicc for form in fit.forms if form.aicc is not None]
    assert scores == sorted(scores)
