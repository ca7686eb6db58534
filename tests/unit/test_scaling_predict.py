"""Forecasts of test loss: right about a known law, as sure as they say, and labelled by what they saw."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from scaling.errors import FitError
from scaling.forecasting.frontier import frontier
from scaling.forecasting.predict import budget_for, predict, predictions_of
from scaling.forecasting.results import Prediction, Predictions
from scaling.forecasting.sources import Source, label_of, source_of
from scaling.inter_model.estimate import estimate
from scaling.inter_model.fit import fit_inter_model
from scaling.inter_model.scatter import law_scatter
from scaling.laws.k_forms import K_FORMS
from scaling.observations import Observations, from_rows
from scaling.synthetic import Noise, Scoring, law_rows, saturating_slopes
from tests.published_curves import published_rows

SIZES = (1_000_000, 4_000_000, 16_000_000, 64_000_000, 256_000_000)
UNSEEN = 1_024_000_000
BETWEEN = 30_000_000
SMALLER = 250_000
STEPS = range(1, 62, 2)
X_END = 61 * 512.0
K = saturating_slopes((SMALLER, *SIZES, BETWEEN, UNSEEN), k_max=0.2, n0=30_000_000)
FIRST = {size: math.exp(math.log(0.9) - 0.04 * math.log(size / 1e6)) for size in K}


def truth(size: int, x: float) -> float:
    return float(FIRST[size] * (x / 512) ** -K[size])


def study(
    rng_seed: int = 0,
    *,
    sizes: Sequence[int] = SIZES,
    seeds: Sequence[int] = (1, 2, 3),
    noise: Noise | None = None,
    steps: Sequence[int] = STEPS,
    slopes: dict[int, float] | None = None,
    scoring: Scoring | None = None,
    to_x: float | None = None,
) -> Observations:
    rows = law_rows(
        slopes or {size: K[size] for size in sizes}, seeds=seeds, steps=steps, noise=noise or Noise(0.01),
        rng_seed=rng_seed, first_losses=FIRST, scoring=scoring,
    )  # fmt: skip
    return from_rows(rows, to_x=to_x)


def one(predictions: Predictions) -> Prediction:
    (prediction,) = predictions.predictions
    return prediction


def said(predictions: Predictions, code: str) -> list[tuple[str, int | None]]:
    return [(check.severity, check.size) for check in predictions.checks if check.code == code]


@pytest.mark.parametrize("size", [*SIZES, UNSEEN, BETWEEN, SMALLER])
@pytest.mark.parametrize("x", [5_000.0, X_END, 4 * X_END])
def test_without_noise_every_size_seen_or_not_is_forecast_exactly(size: int, x: float) -> None:
    prediction = one(predict(study(noise=Noise(0.0)), sizes=[size], x=x, draws=0))

    assert prediction.loss == pytest.approx(truth(size, x), rel=1e-6)
    assert prediction.k == pytest.approx(K[size], rel=1e-6)
    assert prediction.mean is None


@pytest.mark.parametrize("k_form", [*K_FORMS, "free"])
def test_every_law_forecasts_the_sizes_that_it_was_fitted_to(k_form: str) -> None:
    slopes = dict.fromkeys(SIZES, 0.1)  # which every form can be

    predictions = predict(study(noise=Noise(0.003), slopes=slopes), k_form=k_form, x=X_END, draws=200)

    for each in predictions.predictions:
        assert each.loss == pytest.approx(FIRST[each.num_params] * 61**-0.1, rel=0.01)
        assert each.mean is not None
        assert each.mean.low < each.loss < each.mean.high


def test_intervals_hold_the_mean_curve_and_what_a_new_run_measures() -> None:
    noise = Noise(0.02, autocorrelation=0.5, level_sd=0.01, slope_sd=0.02)
    at = {(SIZES[0], X_END): 0, (SIZES[-1], 5 * X_END): 0}
    new = dict.fromkeys(at, 0)
    for rng_seed in range(60):
        observations = study(rng_seed, noise=noise, steps=range(1, 62, 4))
        runs = {
            (int(str(row["num_params"])), float(str(row["samples"]))): 1 - float(str(row["score"]))
            for row in law_rows(
                {size: K[size] for size, _ in at}, seeds=(9,), steps=(61, 305), noise=noise,
                rng_seed=1000 + rng_seed, first_losses=FIRST,
            )
        }  # fmt: skip
        found = predict(observations, sizes=[SIZES[0], SIZES[-1]], x=[X_END, 5 * X_END], draws=200).predictions
        for prediction in found:
            size, x = prediction.num_params, prediction.x
            if (size, x) in at and prediction.mean is not None and prediction.new_run is not None:
                at[size, x] += prediction.mean.low <= truth(size, x) <= prediction.mean.high
                new[size, x] += prediction.new_run.low <= runs[size, x] <= prediction.new_run.high

    assert all(hits >= 52 for hits in (*at.values(), *new.values())), (at, new)
    assert not all(hits == 60 for hits in (*at.values(), *new.values()))  # as wide as need be, not wider


def test_a_new_run_is_less_certain_than_the_mean_curve_and_more_so_than_a_scoring() -> None:
    alike, apart = (
        one(predict(study(noise=Noise(0.01, level_sd=level_sd)), sizes=[SIZES[2]], x=X_END)) for level_sd in (0.0, 0.05)
    )

    for each in (alike, apart):
        assert each.mean is not None
        assert each.new_run is not None
        assert each.new_run.high - each.new_run.low > each.mean.high - each.mean.low
    assert math.log(apart.new_run.high / apart.new_run.low) > 3 * math.log(alike.new_run.high / alike.new_run.low)  # type: ignore[union-attr]


def test_labels_say_what_was_seen_of_the_size() -> None:
    observations = study(to_x=X_END / 2)
    seen = sum(step * 512 <= X_END / 2 for step in STEPS)

    predictions = predict(observations, sizes=[SIZES[0], UNSEEN], x=[512.0, X_END / 4, X_END], draws=0)

    assert [each.label for each in predictions.predictions] == ["in_sample", "in_sample", f"kshot({seen})"] + [
        "zero_shot"
    ] * 3


def test_a_size_held_out_is_forecast_without_its_evaluations() -> None:
    predictions = predict(study(), holdout=[SIZES[-1]], draws=0)

    assert predictions.trained_on == SIZES[:-1]
    assert {each.num_params: each.label for each in predictions.predictions} == {
        **dict.fromkeys(SIZES[:-1], "in_sample"),
        SIZES[-1]: "zero_shot",
    }


def test_an_evaluation_that_was_set_aside_and_used_makes_an_oracle_whoever_asks() -> None:
    observations = study().hold_out([SIZES[-1]])
    honest = source_of(observations, k_form="saturating", estimator="auto")
    leaky = estimate(
        observations, observations.where("train") | observations.where("holdout"), estimator="ols-log",
        k_form="saturating", draws=0,
    )  # fmt: skip

    found = predictions_of(
        Source(honest.observations, leaky, "saturating", "ols-log"), sizes=[SIZES[-1]], x=2 * X_END, draws=0
    )

    assert one(found).label == "oracle_level"
    assert ("warning", SIZES[-1]) in said(found, "ORACLE")
    assert label_of(observations, honest.estimate.rows_seen, SIZES[-1], X_END) == "zero_shot"


def test_the_zero_shot_forecast_is_the_one_that_the_fit_is_judged_by() -> None:
    observations = study()
    fit = fit_inter_model(observations, holdout=[SIZES[-1]], draws=0)
    judged = next(each for each in fit.forecasts if (each.mode, each.quantity) == ("zero_shot", "loss"))

    prediction = one(predict(observations, sizes=[SIZES[-1]], x=judged.at_x, holdout=[SIZES[-1]], draws=0))

    assert prediction.loss == pytest.approx(judged.predicted, rel=1e-9)


def test_the_level_of_a_size_below_the_smallest_comes_from_the_small_ones() -> None:
    """The largest size starts far off the line of the others, which says nothing about a small one."""
    rows = law_rows(
        {size: K[size] for size in SIZES}, seeds=(1,), steps=STEPS, noise=Noise(0.0), rng_seed=0,
        first_losses={**FIRST, SIZES[-1]: 0.3},
    )  # fmt: skip

    small, large = (one(predict(from_rows(rows), sizes=[size], x=X_END, draws=0)) for size in (SMALLER, UNSEEN))

    assert small.loss == pytest.approx(truth(SMALLER, X_END), rel=1e-6)
    assert large.loss < 0.8 * truth(UNSEEN, X_END)


def test_changing_the_evaluations_held_out_changes_no_forecast() -> None:
    rows = law_rows({size: K[size] for size in SIZES}, seeds=(1, 2), steps=STEPS, noise=Noise(0.01), rng_seed=0)
    spoiled = [{**row, "score": 0.5} if row["num_params"] == SIZES[-1] else row for row in rows]

    first, second = (
        predict(from_rows(each), sizes=[SIZES[-1]], x=X_END, holdout=[SIZES[-1]], draws=0) for each in (rows, spoiled)
    )

    assert one(first) == one(second)


@pytest.mark.parametrize(
    ("size", "x", "who"),
    [(SIZES[0], X_END * 100, "warning"), (SIZES[0], X_END * 10, "ok"), (10**16, X_END, "warning")],
)
def test_more_than_one_log_range_outside_is_a_warning(size: int, x: float, who: str) -> None:
    predictions = predict(study(), sizes=[size], x=x, draws=0)

    assert [severity for severity, _ in said(predictions, "F14")] == [who]
    assert max(one(predictions).x_outside, one(predictions).size_outside) == pytest.approx(
        max(math.log(x / X_END) / math.log(61), math.log(max(size / SIZES[-1], 1)) / math.log(256), 0.0)
    )


def test_one_size_is_forecast_by_its_own_slope_and_says_so() -> None:
    predictions = predict(study(sizes=SIZES[:1]), x=2 * X_END)

    assert predictions.k_form == "free"
    assert one(predictions).label == f"kshot({len(STEPS)})"
    assert one(predictions).loss == pytest.approx(truth(SIZES[0], 2 * X_END), rel=0.02)
    assert [severity for severity, _ in said(predictions, "SIZES")] == ["note"]


@pytest.mark.parametrize(
    ("sizes", "k_form"), [(SIZES[:1], "saturating"), (SIZES[:2], "power"), (SIZES[:3], "hill"), (SIZES, "free")]
)
def test_an_unseen_size_without_a_law_is_refused_with_what_to_do(sizes: Sequence[int], k_form: str) -> None:
    with pytest.raises(FitError, match="Train three sizes or more") as refusal:
        predict(study(sizes=sizes), sizes=[UNSEEN], k_form=k_form)

    assert str(UNSEEN) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_size_that_gets_worse_is_named() -> None:
    slopes = {**{size: K[size] for size in SIZES}, SIZES[0]: -0.02}

    predictions = predict(study(slopes=slopes), sizes=[SIZES[0]], k_form="free", x=2 * X_END)

    assert one(predictions).k == pytest.approx(-0.02, abs=0.005)
    assert ("warning", SIZES[0]) in said(predictions, "F05")


def test_a_loss_above_1_is_cut_there_and_said() -> None:
    slopes = dict.fromkeys(SIZES, -0.1)

    predictions = predict(study(slopes=slopes, noise=Noise(0.002)), sizes=SIZES[:1], k_form="free", x=X_END * 20)

    assert one(predictions).loss == 1.0
    assert ("warning", SIZES[0]) in said(predictions, "F06")


def test_slopes_that_scatter_about_the_law_widen_the_forecast_of_an_unseen_size() -> None:
    factors = (1.6, 0.6, 1.5, 0.7, 1.1)
    slopes = {size: K[size] * factor for size, factor in zip(SIZES, factors, strict=True)}
    lawful, scattered = study(noise=Noise(0.003)), study(noise=Noise(0.003), slopes=slopes)

    widths = []
    for observations in (lawful, scattered):
        mean = one(predict(observations, sizes=[UNSEEN], x=10 * X_END)).mean
        assert mean is not None
        widths.append(math.log(mean.high / mean.low))

    assert law_scatter(source_of(lawful, k_form="saturating", estimator="auto").estimate) is None
    found = law_scatter(source_of(scattered, k_form="saturating", estimator="auto").estimate)
    assert found is not None
    assert found[0] == pytest.approx(
        np.std([slopes[size] - K[size] for size in SIZES]), rel=0.7
    )  # three numbers' worth of scatter
    assert widths[1] > 3 * widths[0]


@pytest.mark.parametrize("estimator", ["ols-log", "qb", "linear-ls", "huber"])
def test_every_estimator_forecasts_counts_within_its_interval(estimator: str) -> None:
    observations = study(scoring=Scoring(problems=500, samples_per_problem=4))

    prediction = one(predict(observations, sizes=[UNSEEN], x=2 * X_END, estimator=estimator))

    assert prediction.mean is not None
    assert prediction.mean.low < truth(UNSEEN, 2 * X_END) < prediction.mean.high
    assert prediction.loss == pytest.approx(truth(UNSEEN, 2 * X_END), rel=0.08)


@pytest.mark.parametrize("estimator", ["linear-ls", "huber"])
def test_without_counts_the_noise_is_that_of_ln_l_whatever_the_estimator(estimator: str) -> None:
    plain, other = (one(predict(study(), sizes=[SIZES[2]], x=X_END, estimator=each)) for each in ("auto", estimator))

    for mine, reference in ((other.mean, plain.mean), (other.new_run, plain.new_run)):
        assert mine is not None
        assert reference is not None
        assert math.log(mine.high / mine.low) == pytest.approx(math.log(reference.high / reference.low), rel=0.3)


@pytest.mark.parametrize("estimator", ["qb", "linear-ls"])
def test_the_noise_of_a_scoring_is_that_of_counts_at_the_loss_that_is_forecast(estimator: str) -> None:
    observations = study(seeds=(1,), noise=Noise(0.0), scoring=Scoring(problems=400, samples_per_problem=1))

    prediction = one(predict(observations, sizes=[SIZES[-1]], x=X_END, estimator=estimator, draws=4000))

    assert prediction.new_run is not None
    spread = (prediction.new_run.high - prediction.new_run.low) / 2 / 1.96
    assert spread == pytest.approx(math.sqrt(prediction.loss * (1 - prediction.loss) / 400), rel=0.25)


def test_the_budget_of_a_loss_is_where_the_curve_reaches_it() -> None:
    exact = budget_for(study(noise=Noise(0.0)), loss=0.4, size=UNSEEN, draws=0)
    noisy = budget_for(study(), loss=0.4, size=UNSEEN)
    x = 512 * (FIRST[UNSEEN] / 0.4) ** (1 / K[UNSEEN])

    assert exact.x == pytest.approx(x, rel=1e-6)
    assert exact.label == "zero_shot"
    assert noisy.low is not None
    assert noisy.high is not None
    assert noisy.low < x < noisy.high
    assert noisy.share == 1.0
    assert "reaches a test loss of 0.4 at" in noisy.summary


def test_a_budget_and_a_prediction_are_each_other_the_wrong_way_round() -> None:
    observations = study()
    budget = budget_for(observations, loss=0.5, size=SIZES[2], draws=0)

    assert budget.x is not None
    assert one(predict(observations, sizes=[SIZES[2]], x=budget.x, draws=0)).loss == pytest.approx(0.5)


def test_a_curve_that_does_not_fall_reaches_no_lower_loss() -> None:
    slopes = {**{size: K[size] for size in SIZES}, SIZES[0]: -0.02}
    budget = budget_for(study(slopes=slopes), loss=0.3, size=SIZES[0], k_form="free")

    assert (budget.x, budget.high, budget.label) == (None, None, None)
    assert [check.severity for check in budget.checks if check.code == "NEVER"] == ["warning"]
    assert "does not reach" in budget.summary


def test_a_slope_that_may_be_zero_leaves_the_budget_open_above() -> None:
    slopes = dict.fromkeys(SIZES, 0.003)
    budget = budget_for(study(slopes=slopes, seeds=(1,), noise=Noise(0.05)), loss=0.8, size=SIZES[0], k_form="free")

    assert budget.share is not None
    assert budget.share < 0.975
    assert budget.high is None
    assert budget.x is None or "no upper end" in budget.summary


@pytest.mark.parametrize("loss", [0.0, 1.0, -0.1])
def test_a_loss_that_no_test_has_is_refused(loss: float) -> None:
    with pytest.raises(FitError, match="between 0 and 1"):
        budget_for(study(), loss=loss, size=SIZES[0])


@pytest.mark.parametrize("asked", [{"x": 0.0}, {"x": [1.0, math.nan]}, {"sizes": [0]}, {"k_form": "cubic"}])
def test_requests_that_mean_nothing_are_refused(asked: dict[str, object]) -> None:
    with pytest.raises(FitError):
        predict(study(sizes=SIZES[:3]), **asked)  # type: ignore[arg-type]


def test_one_seed_is_said_to_make_intervals_too_narrow() -> None:
    assert said(predict(study(seeds=(1,))), "SEEDS") == [("warning", None)]


def test_runs_too_short_for_their_noise_have_no_intervals_and_say_so() -> None:
    predictions = predict(study(seeds=(1,), steps=(1, 20, 61)))

    assert all(each.mean is None and each.new_run is None for each in predictions.predictions)
    assert [severity for severity, _ in said(predictions, "UNSURE")] == ["warning"]


def test_equal_data_give_equal_forecasts_and_asking_for_more_changes_none() -> None:
    first, second = (predict(study(), sizes=[SIZES[0], UNSEEN], x=[X_END, 2 * X_END]) for _ in range(2))
    alone = one(predict(study(), sizes=[UNSEEN], x=2 * X_END))

    assert first == second
    assert repr(first) == repr(second)
    assert alone == first.predictions[-1]


def test_the_summary_can_be_quoted() -> None:
    (sentence,) = predict(study(), sizes=[UNSEEN], x=X_END).summary

    assert sentence.startswith("1.02B at 31.2K prompts: a test loss of 0.")
    assert sentence.endswith("zero_shot).")


def test_the_published_curves_up_to_32b_put_72b_too_low_but_inside_the_interval() -> None:
    """A line in ln N through the levels overshoots at 72B; unlike its point, the interval knows that it may."""
    rows = published_rows()
    observations, largest = from_rows(rows), 72_000_000_000
    last = max((float(str(row["samples"])), 1 - float(str(row["score"]))) for row in rows if row["trial_id"] == largest)

    predictions = predict(observations, sizes=[largest], x=last[0], holdout=[largest])

    assert one(predictions).label == "zero_shot"
    assert one(predictions).loss / last[1] - 1 < -0.05
    assert one(predictions).new_run.low < last[1] < one(predictions).new_run.high  # type: ignore[union-attr]
    assert said(predictions, "F08")


def test_other_forms_of_the_law_say_what_they_forecast_of_a_size_far_away() -> None:
    predictions = predict(study(noise=Noise(0.03), seeds=(1,)), sizes=[SIZES[2], UNSEEN], x=X_END)
    seen, unseen = predictions.predictions

    assert seen.other_forms == ()
    assert len(unseen.other_forms) >= 1
    for name, loss in unseen.other_forms:
        (other,) = predict(study(noise=Noise(0.03), seeds=(1,)), sizes=[UNSEEN], x=X_END, k_form=name).predictions
        assert other.loss == pytest.approx(loss)
    (check,) = [check for check in predictions.checks if check.code == "FORM"]
    assert all(f"{loss:.3f} ({name})" in check.message for name, loss in unseen.other_forms)


def test_what_makes_a_law_doubtful_makes_its_forecasts_doubtful() -> None:
    rows = law_rows(
        {size: K[size] for size in SIZES}, seeds=(1, 2), steps=range(1, 121), noise=Noise(0.003), rng_seed=0,
        first_losses=FIRST,
    )  # fmt: skip
    bent = [
        {**row, "tau": float(str(row["seed"])), "score": 1 - (1 - float(str(row["score"]))) * max(s / 30, 1.0) ** 0.1}
        for row in rows
        if (s := float(str(row["step"])))
    ]

    for made in (predict(from_rows(bent), draws=100), frontier(from_rows(bent, x="flops"), draws=100)):
        warned = {check.code for check in made.checks if check.severity == "warning"}
        assert {"F01", "F15"} <= warned
