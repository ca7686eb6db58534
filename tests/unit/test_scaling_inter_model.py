"""The inter-model fit recovers known laws, repeats itself to the byte, and says what the data cannot support."""

import math
import random
from collections.abc import Mapping

import numpy as np
import pytest

from scaling.errors import FitError
from scaling.inter_model.fit import K_FORM_NAMES, fit_inter_model
from scaling.inter_model.results import InterModelFit
from scaling.observations import Observations, from_rows
from scaling.synthetic import Noise, Scoring, law_rows, saturating_slopes

LADDER = (24_832, 99_328, 393_728, 1_574_912)
LADDER_STEPS = (0, 1, 2, 4, 7, 11, 16, 24, 36, 50, 70, 95, 125, 160)
LADDER_LOSSES = dict(zip(LADDER, (0.67, 0.655, 0.63, 0.605), strict=True))
BILLIONS = tuple(int(size * 1e9) for size in (0.5, 1.5, 3, 7, 14, 32, 72))
PUBLISHED_STARTS = (0.98, 0.96, 0.91, 0.87, 0.82, 0.76, 0.69)
K_MAX, N_0 = 0.135, 13.09e9


def ladder(rng_seed: int = 0, *, seeds: tuple[int, ...] = (11, 12), noise: Noise | None = None) -> Observations:
    """Four small sizes, exact answer probabilities, fit window from step 16: what the quickstart produces."""
    rows = law_rows(
        saturating_slopes(LADDER, k_max=0.22, n0=39_000),
        seeds=seeds,
        steps=LADDER_STEPS,
        noise=noise or Noise(point_sd=0.012, autocorrelation=0.3, level_sd=0.01, slope_sd=0.03),
        rng_seed=rng_seed,
        first_losses=LADDER_LOSSES,
        from_step=14,
        prompts_per_step=64,
    )
    return from_rows(rows, from_x=16 * 64)


def big(
    rng_seed: int,
    *,
    slopes: Mapping[int, float] | None = None,
    scoring: Scoring | None = None,
    seeds: tuple[int, ...] = (1,),
) -> Observations:
    rows = law_rows(
        slopes or saturating_slopes(BILLIONS, k_max=K_MAX, n0=N_0),
        seeds=seeds,
        steps=range(106),
        noise=Noise(point_sd=0.0 if scoring else 0.02),
        rng_seed=rng_seed,
        first_losses=dict(zip(BILLIONS, PUBLISHED_STARTS, strict=True)),
        scoring=scoring,
    )
    return from_rows(rows)


def severities(fit: InterModelFit, code: str) -> set[str]:
    return {check.severity for check in fit.checks if check.code == code}


def test_a_known_law_is_recovered_without_bias() -> None:
    fits = [fit_inter_model(big(seed), draws=0) for seed in range(30)]
    k_max = np.array([fit.parameter("K_max").value for fit in fits])  # type: ignore[union-attr]
    n_0 = np.array([fit.parameter("N_0").value for fit in fits])  # type: ignore[union-attr]
    k72 = np.array([fit.sizes[-1].k_law for fit in fits])

    assert abs(k_max.mean() / K_MAX - 1) < 0.01
    assert k_max.std() <= 0.0040
    assert n_0.std() <= 1.1e9
    assert math.sqrt(np.mean((k72 - K_MAX / (1 + N_0 / 72e9)) ** 2)) <= 0.0022


@pytest.mark.parametrize("estimator", ["ols-log", "linear-ls"])
def test_the_optimum_is_that_of_the_full_nonlinear_problem(estimator: str) -> None:
    from scipy.optimize import least_squares

    observations = big(0)
    fit = fit_inter_model(observations, estimator=estimator, draws=0)
    used = observations.where("train")
    x, loss = np.log(observations.x[used]) - 9.0, observations.loss[used]
    size = np.searchsorted(BILLIONS, observations.num_params[used])

    def residual(p: np.ndarray) -> np.ndarray:
        k = np.exp(p[0]) / (1 + np.exp(p[1]) / np.array(BILLIONS))
        log_loss = p[2:][size] - k[size] * x
        return log_loss - np.log(loss) if estimator == "ols-log" else np.exp(log_loss) - loss

    levels = [np.log(loss[size == index]).mean() for index in range(len(BILLIONS))]
    start = np.array([math.log(0.1), math.log(1e10), *levels])
    best = least_squares(residual, start, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=20_000).x

    assert fit.law is not None
    np.testing.assert_allclose(np.exp(fit.law.theta), np.exp(best[:2]), rtol=1e-6)


def test_counts_choose_the_quasi_binomial_estimator_and_exact_scores_least_squares() -> None:
    assert fit_inter_model(big(0, scoring=Scoring(500, 1)), draws=0).estimator == "qb"
    assert fit_inter_model(big(0), draws=0).estimator == "ols-log"


def test_quasi_binomial_slopes_are_unbiased_on_counts() -> None:
    fits = [fit_inter_model(big(seed, scoring=Scoring(500, 1)), draws=0) for seed in range(20)]
    errors = np.array([fit.sizes[3].k_law / (K_MAX / (1 + N_0 / 7e9)) - 1 for fit in fits])  # type: ignore[operator]

    assert abs(np.median(errors)) < 0.02
    assert np.sqrt(np.mean(errors**2)) <= 0.03
    assert 0.8 < np.mean([fit.phi for fit in fits]) < 1.2  # type: ignore[arg-type]


def test_zero_failures_keep_their_counts() -> None:
    slopes = saturating_slopes(BILLIONS, k_max=1.2, n0=N_0)
    observations = big(4, slopes=slopes, scoring=Scoring(200, 1))
    zeros = int(np.sum(observations.loss[observations.where("train")] == 0))

    fit = fit_inter_model(observations, draws=0)

    assert zeros > 5
    assert fit.num_points == int(observations.where("train").sum())
    assert abs(fit.sizes[-1].k / slopes[BILLIONS[-1]] - 1) < 0.1


def test_losses_of_one_are_ordinary_rows() -> None:
    rows = law_rows(
        {1_000: 0.05, 2_000: 0.1, 4_000: 0.2}, seeds=(1,), steps=range(1, 21), noise=Noise(0.02), rng_seed=1,
        first_losses=dict.fromkeys((1_000, 2_000, 4_000), 1.0),
    )  # fmt: skip

    fit = fit_inter_model(from_rows(rows), draws=0)

    assert any(row["score"] == 0.0 for row in rows)
    assert fit.num_points == len(rows)


def test_equal_data_give_equal_fits_in_any_row_order() -> None:
    rows = law_rows(
        saturating_slopes(LADDER, k_max=0.2, n0=4e4), seeds=(1, 2), steps=LADDER_STEPS, noise=Noise(), rng_seed=5
    )
    shuffled = list(rows)
    random.Random(0).shuffle(shuffled)

    assert repr(fit_inter_model(from_rows(rows))) == repr(fit_inter_model(from_rows(shuffled)))


def test_the_ladder_is_fitted_with_closed_intervals_that_hold_the_truth_nearly_always() -> None:
    fits = [fit_inter_model(ladder(seed), draws=300) for seed in range(20)]

    hits = [0, 0]
    for fit in fits:
        for index, (name, truth) in enumerate((("K_max", 0.22), ("N_0", 39_000))):
            interval = fit.parameter(name).interval  # type: ignore[union-attr]
            hits[index] += interval.low < truth < interval.high  # type: ignore[union-attr]
    assert min(hits) >= 16
    assert sum(fit.identification.verdict == "identified" for fit in fits) >= 18


def test_correlated_evaluations_widen_the_intervals_enough() -> None:
    hits = widths = 0.0
    for seed in range(40):
        fit = fit_inter_model(ladder(seed, noise=Noise(0.012, autocorrelation=0.8, level_sd=0.01)), draws=200)
        interval = fit.parameter("K_max").interval  # type: ignore[union-attr]
        hits += interval.low < 0.22 < interval.high  # type: ignore[union-attr]
        widths += sum(1 for size in fit.sizes if size.k_interval is not None)
    assert hits >= 33
    assert widths == 40 * len(LADDER)


def test_three_seeds_of_every_size_bring_in_the_clustered_sandwich() -> None:
    methods = {
        parameter.interval.method
        for seed in range(8)
        for parameter in fit_inter_model(ladder(seed, seeds=(1, 2, 3)), draws=200).law.parameters  # type: ignore[union-attr]
        if parameter.interval is not None
    }
    assert "runs (CR1)" in methods


def test_one_seed_is_a_warning_and_leaves_only_intervals_from_within_runs() -> None:
    fit = fit_inter_model(ladder(seeds=(11,)))

    assert severities(fit, "SEEDS") == {"warning"}
    assert fit.run_sd is None
    assert {size.k_interval.method for size in fit.sizes if size.k_interval} == {"autocorrelated residuals"}


def test_short_runs_of_one_seed_have_no_interval_at_all() -> None:
    rows = law_rows(
        saturating_slopes(LADDER, k_max=0.2, n0=4e4), seeds=(1,), steps=(1, 3, 9, 27, 81), noise=Noise(), rng_seed=2
    )

    fit = fit_inter_model(from_rows(rows))

    assert all(size.k_interval is None and size.k_se is None for size in fit.sizes)
    assert all(parameter.interval is None for parameter in fit.law.parameters)  # type: ignore[union-attr]
    assert fit.identification.n0_profile is None
    assert severities(fit, "SHORT") == {"note"}


def test_one_size_is_a_trajectory_and_nothing_more() -> None:
    rows = law_rows({1_000: 0.1}, seeds=(1, 2), steps=range(20), noise=Noise(), rng_seed=0)

    fit = fit_inter_model(from_rows(rows))

    assert fit.law is None
    assert fit.identification.verdict == "trajectory_only"
    assert fit.forms == fit.forecasts == ()
    assert abs(fit.sizes[0].k - 0.1) < 0.03


def test_two_sizes_have_free_slopes_and_no_law() -> None:
    rows = law_rows({1_000: 0.1, 4_000: 0.2}, seeds=(1, 2), steps=range(20), noise=Noise(), rng_seed=0)

    fit = fit_inter_model(from_rows(rows))

    assert fit.law is None
    assert fit.identification.verdict == "free_slopes_only"
    assert [size.k_law for size in fit.sizes] == [None, None]


def test_sizes_far_below_n0_give_kappa_and_no_k_max() -> None:
    small = (1_000, 2_000, 4_000, 8_000)
    rows = law_rows(
        saturating_slopes(small, k_max=20.0, n0=1e6), seeds=(1, 2), steps=range(1, 40), noise=Noise(0.01), rng_seed=0
    )

    found = fit_inter_model(from_rows(rows)).identification

    assert found.verdict == "kmax_not_identified"
    assert found.kappa == pytest.approx(20.0 / 1e6, rel=0.15)


def test_equal_slopes_are_called_constant_or_not_excluded_from_it() -> None:
    rows = law_rows(dict.fromkeys(LADDER, 0.2), seeds=(1, 2), steps=range(1, 40), noise=Noise(0.01), rng_seed=0)

    found = fit_inter_model(from_rows(rows)).identification

    assert found.verdict in ("constant_k", "one_sided")


def test_a_size_that_gets_worse_is_a_warning_and_its_slope_is_kept() -> None:
    slopes = {1_000: -0.1, 4_000: 0.1, 16_000: 0.2}
    rows = law_rows(
        slopes, seeds=(1, 2), steps=range(1, 40), noise=Noise(0.01), rng_seed=0, first_losses=dict.fromkeys(slopes, 0.5)
    )

    fit = fit_inter_model(from_rows(rows))

    assert fit.sizes[0].k == pytest.approx(-0.1, abs=0.02)
    assert "warning" in severities(fit, "F05")
    assert all(size.k_law >= 0 for size in fit.sizes)  # type: ignore[operator]


def test_a_sweep_in_which_nothing_learns_stops_at_the_bound() -> None:
    slopes = dict.fromkeys((1_000, 4_000, 16_000), -0.1)
    rows = law_rows(
        slopes, seeds=(1, 2), steps=range(1, 40), noise=Noise(0.01), rng_seed=0, first_losses=dict.fromkeys(slopes, 0.4)
    )

    fit = fit_inter_model(from_rows(rows))

    assert fit.identification.verdict == "no_learning"
    assert fit.parameter("K_max").value == 0.0  # type: ignore[union-attr]
    assert severities(fit, "F07") == {"warning"}


def test_a_run_without_a_single_failure_is_left_out_with_a_note() -> None:
    rows = law_rows(
        {1_000: 0.1, 4_000: 0.2, 16_000: 0.3}, seeds=(1,), steps=range(1, 20), noise=Noise(), rng_seed=0,
        scoring=Scoring(100, 1),
    )  # fmt: skip
    perfect = [{**row, "successes": 100, "score": 1.0} if row["num_params"] == 16_000 else row for row in rows]

    fit = fit_inter_model(from_rows(perfect))

    assert [size.num_params for size in fit.sizes] == [1_000, 4_000]
    assert {point.role for point in fit.points} == {"train", "clipped"}
    assert severities(fit, "F06") >= {"note"}


def test_a_perfect_exact_score_leaves_least_squares_with_a_reason() -> None:
    rows = law_rows({1_000: 0.1, 4_000: 0.2}, seeds=(1,), steps=range(1, 20), noise=Noise(), rng_seed=0)
    rows[-1] = {**rows[-1], "score": 1.0}

    fit = fit_inter_model(from_rows(rows))

    clipped = [point for point in fit.points if point.role == "clipped"]
    assert [point.evaluation_id for point in clipped] == [rows[-1]["evaluation_id"]]
    assert "ln L" in clipped[0].reason


def test_runs_of_different_length_do_not_turn_a_level_into_a_slope() -> None:
    """The long run of each size starts from a far better base; its slope is the same."""
    slopes = {1_000: 0.1, 4_000: 0.2, 16_000: 0.25}
    long = law_rows(
        slopes, seeds=(1,), steps=range(1, 101), noise=Noise(0.005), rng_seed=0, first_losses=dict.fromkeys(slopes, 0.5)
    )
    short = law_rows(slopes, seeds=(2,), steps=range(1, 21), noise=Noise(0.005), rng_seed=1)
    rows = [*long, *({**row, "trial_id": 50 + int(str(row["trial_id"]))} for row in short)]

    fit = fit_inter_model(from_rows(rows))

    assert [size.k for size in fit.sizes] == pytest.approx(list(slopes.values()), abs=0.01)
    assert [run.num_evaluations for run in fit.sizes[0].runs] == [100, 20]


def test_a_curve_that_bends_is_seen() -> None:
    rows = law_rows(
        saturating_slopes(LADDER, k_max=0.3, n0=4e4), seeds=(1, 2), steps=range(1, 80), noise=Noise(0.01), rng_seed=0
    )
    plateau = [{**row, "score": 0.6 * float(str(row["score"])) + 0.1} for row in rows]

    assert severities(fit_inter_model(from_rows(rows)), "F01") == {"ok"}
    assert severities(fit_inter_model(from_rows(plateau)), "F01") == {"warning"}


def test_a_bend_shows_as_a_slope_that_depends_on_the_window() -> None:
    steps = range(1, 101)
    early = law_rows(
        {1_000: 0.05, 4_000: 0.05, 16_000: 0.05}, seeds=(1, 2), steps=steps, noise=Noise(0.005), rng_seed=0
    )
    late = law_rows(
        {1_000: 0.5, 4_000: 0.5, 16_000: 0.5}, seeds=(1, 2), steps=steps, noise=Noise(0.005), rng_seed=0, from_step=10
    )
    bent = [first if int(str(first["step"])) < 10 else second for first, second in zip(early, late, strict=True)]

    fit = fit_inter_model(from_rows(bent))

    assert severities(fit, "WINDOW") == {"warning"}
    assert fit.sizes[0].k_second_half > 2 * fit.sizes[0].k_first_half  # type: ignore[operator]


def test_slopes_off_the_law_are_called_a_lack_of_fit() -> None:
    slopes = {1_000: 0.05, 4_000: 0.2, 16_000: 0.1, 64_000: 0.3}
    rows = law_rows(slopes, seeds=(1, 2, 3), steps=range(1, 80), noise=Noise(0.005), rng_seed=0)

    fit = fit_inter_model(from_rows(rows))

    assert severities(fit, "F08") == {"warning"}
    assert "warning" in severities(fit, "F05")


def test_one_learning_rate_for_all_sizes_is_said_and_several_are_not() -> None:
    rows = law_rows(
        saturating_slopes(LADDER, k_max=0.2, n0=4e4), seeds=(1, 2), steps=LADDER_STEPS, noise=Noise(), rng_seed=0
    )
    tuned = [{**row, "learning_rate": 0.1 / int(str(row["num_params"]))} for row in rows]

    assert severities(fit_inter_model(from_rows(rows)), "LR") == {"note"}
    assert severities(fit_inter_model(from_rows(tuned)), "LR") == set()


def test_runs_of_one_size_with_different_group_sizes_are_no_repeats() -> None:
    rows = law_rows(
        saturating_slopes(LADDER, k_max=0.2, n0=4e4), seeds=(1, 2), steps=LADDER_STEPS, noise=Noise(), rng_seed=0
    )
    mixed = [{**row, "group_size": 4 if row["seed"] == 1 else 16} for row in rows]

    warnings = [check for check in fit_inter_model(from_rows(mixed)).checks if check.code == "F15"]

    assert [check.severity for check in warnings] == ["warning"]
    assert "group size" in warnings[0].message


def test_pooled_r2_is_high_even_for_the_means_of_the_sizes() -> None:
    slopes = saturating_slopes(BILLIONS, k_max=K_MAX, n0=N_0)
    losses = dict(zip(BILLIONS, PUBLISHED_STARTS, strict=True))
    rows = law_rows(slopes, seeds=(1,), steps=range(1, 106), noise=Noise(0.02), rng_seed=0, first_losses=losses)

    fit = fit_inter_model(from_rows(rows), draws=0)

    assert fit.r2 > 0.98  # type: ignore[operator]
    assert 0.9 < fit.r2_size_means < fit.r2  # type: ignore[operator]


@pytest.mark.parametrize("k_form", K_FORM_NAMES)
def test_every_form_fits_its_own_truth_and_is_compared(k_form: str) -> None:
    z = np.log(np.array(BILLIONS) / 1e9)
    truths = {
        "saturating": K_MAX / (1 + N_0 / np.array(BILLIONS)),
        "hill": K_MAX / (1 + (6e9 / np.array(BILLIONS)) ** 3),
        "log-linear": np.maximum(0.0, 0.01 + 0.03 * z),
        "power": 0.02 * np.exp(0.4 * z),
        "constant": np.full(len(BILLIONS), 0.1),
        "free": np.array([0.05, 0.02, 0.1, 0.04, 0.2, 0.1, 0.12]),
    }
    slopes = dict(zip(BILLIONS, truths[k_form].tolist(), strict=True))

    fit = fit_inter_model(big(0, slopes=slopes), k_form=k_form, draws=0)

    said = [size.k if size.k_law is None else size.k_law for size in fit.sizes]
    assert said == pytest.approx(truths[k_form].tolist(), abs=0.006)
    assert fit.forms[0].k_form == k_form
    assert sum(each.akaike_weight for each in fit.forms) == pytest.approx(1.0)  # type: ignore[misc]


def test_an_unknown_form_or_estimator_is_refused() -> None:
    with pytest.raises(FitError, match="saturating"):
        fit_inter_model(ladder(), k_form="cubic")
    with pytest.raises(FitError, match="ols-log"):
        fit_inter_model(ladder(), estimator="cma")
    with pytest.raises(FitError, match="counts"):
        fit_inter_model(ladder(), estimator="qb")


def test_a_window_without_evaluations_is_refused_with_its_bounds() -> None:
    rows = law_rows({1_000: 0.1}, seeds=(1,), steps=range(10), noise=Noise(), rng_seed=0)

    with pytest.raises(FitError, match=r"1e\+09"):
        fit_inter_model(from_rows(rows, from_x=1e9))
