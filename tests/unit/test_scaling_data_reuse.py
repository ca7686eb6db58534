"""Reuse of prompts is judged by pairs of runs: harm is found where it is, safety claimed only where it is shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from scaling.data_reuse.fit import fit_data_reuse
from scaling.data_reuse.results import DataReuseFit, TauEffect
from scaling.errors import FitError
from scaling.observations import CONFIGURATION

TAUS = (1, 2, 5, 20, 50, 100)
ONSET = 30.0
Rows = list[dict[str, object]]


def harm(tau: float, x: float) -> float:
    """ln L rises with ln tau beyond 15 and reaches 2% at the last fifth of a run for tau = 30."""
    return math.log(1.02) * max(math.log(tau / 15), 0.0) / math.log(ONSET / 15) * (1.0 if x > 0.75 else 0.0)


def none(tau: float, x: float) -> float:
    return 0.0


def reuse_rows(
    rng_seed: int = 0,
    *,
    taus: Sequence[float] = TAUS,
    seeds: Sequence[int] = (1, 2, 3),
    steps: int = 50,
    sd: float = 0.01,
    rho: float = 0.5,
    run_sd: float = 0.0,
    effect: Callable[[float, float], float] = harm,
    attempts: int | None = None,
    first_loss: float = 0.6,
    k: float = 0.1,
    model: str = "m-7b",
    num_params: int = 7_000_000_000,
) -> Rows:
    """Runs of one model at every tau and seed, evaluated before training and after each step of 512 prompts."""
    rng = np.random.default_rng(rng_seed)
    rows: Rows = []
    for index, (tau, seed) in enumerate((tau, seed) for tau in taus for seed in seeds):
        level, wobble = run_sd * rng.normal(), rng.normal()
        for step in range(steps + 1):
            log_loss = (
                math.log(first_loss) - k * math.log(max(step, 1)) + effect(tau, step / steps) + level + sd * wobble
            )
            wobble = rho * wobble + math.sqrt(1 - rho**2) * rng.normal()
            loss = min(math.exp(log_loss), 1.0)
            failures = None if attempts is None else int(rng.binomial(attempts, loss))
            score = 1 - loss if failures is None else 1 - failures / attempts  # type: ignore[operator]
            rows.append(
                {
                    "evaluation_id": len(rows) + 1, "trial_id": num_params // 10**6 + index, "model": model,
                    "variant": "base", "num_params": num_params, "data": "maths", "algorithm": "grpo", "seed": seed,
                    "group_size": 8, "tau": tau, "learning_rate": 1e-6, "prompts_per_step": 512, "updates_per_step": 4,
                    "kl_coefficient": 0.001, "step": step, "samples": 512.0 * step, "tokens": None, "flops": None,
                    "benchmark": "heldout", "protocol": "exact", "problems": attempts or 500,
                    "samples_per_problem": None if attempts is None else 1,
                    "successes": None if failures is None else attempts - failures,  # type: ignore[operator]
                    "score": score, "standard_error": None,
                }
            )  # fmt: skip
    return rows


def effects(fit: DataReuseFit) -> dict[float, TauEffect]:
    return {effect.tau: effect for effect in fit.models[0].effects}


def said(fit: DataReuseFit, code: str) -> list[tuple[str, str]]:
    return [(check.severity, check.message) for check in fit.checks if check.code == code]


def test_without_noise_the_differences_and_the_onset_are_those_put_in() -> None:
    fit = fit_data_reuse(reuse_rows(sd=0.0, taus=(1, 2, 15, 30, 60)), draws=0)
    found = effects(fit)

    assert found[30].mean == pytest.approx(math.log(1.02))
    assert found[60].mean == pytest.approx(2 * math.log(1.02))
    assert fit.models[0].onset.tau == pytest.approx(30.0)
    assert fit.models[0].onset.low is None


def test_harm_and_safety_are_told_apart_and_put_in_words() -> None:
    fit = fit_data_reuse(reuse_rows())
    model = fit.models[0]

    assert {tau: effect.verdict for tau, effect in effects(fit).items()} == {
        2: "equivalent", 5: "equivalent", 20: "equivalent", 50: "harmful", 100: "harmful",
    }  # fmt: skip
    assert model.largest_safe_tau == 20
    assert model.onset.low is not None
    assert model.onset.high is not None
    assert model.onset.low < ONSET < model.onset.high
    assert [severity for severity, _ in said(fit, "F09")] == ["note"]
    assert "up to tau = 20" in model.summary
    assert "hurts at tau = 50" in model.summary


def test_harm_below_ten_uses_is_a_warning() -> None:
    fit = fit_data_reuse(reuse_rows(effect=lambda tau, x: 0.06 if tau >= 5 else 0.0))
    assert [severity for severity, _ in said(fit, "F09")] == ["warning"]
    assert "the smallest tau that hurts is 5" in said(fit, "F09")[0][1]


def test_a_gap_that_only_begins_to_open_is_harm_by_its_slope() -> None:
    fit = fit_data_reuse(reuse_rows(sd=0.0005, taus=(1, 10), effect=lambda tau, x: 0.012 * x if tau > 1 else 0.0))
    (effect,) = fit.models[0].effects
    assert effect.mean < math.log(1.02)
    assert effect.slope_interval is not None
    assert effect.slope_interval.low > 0
    assert effect.verdict == "harmful"


def test_the_last_evaluation_stands_beside_the_mean_that_lags_behind_a_rise() -> None:
    def widening(tau: float, x: float) -> float:
        return 0.05 * x if tau > 1 else 0.0

    fit = fit_data_reuse(reuse_rows(sd=0.001, taus=(1, 10), effect=widening))
    (effect,) = fit.models[0].effects
    assert effect.last == pytest.approx(0.05, abs=0.003)
    assert effect.mean == pytest.approx(0.0455, abs=0.003)
    assert effect.last_interval is not None
    assert effect.last_interval.low < 0.05 < effect.last_interval.high
    assert f"(+{math.expm1(effect.mean):.1%} loss and rising, +{math.expm1(effect.last):.1%} at the last" in (
        fit.models[0].summary
    )


def test_intervals_at_the_last_evaluation_hold_the_truth() -> None:
    held = []
    for rng_seed in range(150):
        fit = fit_data_reuse(reuse_rows(rng_seed, taus=(1, 5, 50), steps=40, effect=harm_at_once), draws=0)
        interval = effects(fit)[50].last_interval
        assert interval is not None
        held.append(interval.low <= harm(50, 1.0) <= interval.high)
    assert 0.9 <= np.mean(held) <= 0.995


def test_an_advantage_that_shrinks_is_neither_harm_nor_safe() -> None:
    fit = fit_data_reuse(
        reuse_rows(sd=0.0005, taus=(1, 2, 10), effect=lambda tau, x: -0.05 + 0.03 * x if tau == 10 else 0.0)
    )
    effect = effects(fit)[10]
    assert effect.mean < 0
    assert effect.is_rising
    assert effect.verdict == "not_settled"
    assert fit.models[0].largest_safe_tau == 2
    ((severity, message),) = said(fit, "F09")
    assert severity == "note"
    assert "At tau = 10 fresh prompts are catching up" in message


def test_harm_at_the_last_evaluation_alone_is_not_passed_off_as_safe() -> None:
    def jump(tau: float, x: float) -> float:
        return 0.0 if tau == 1 else 0.05 if x == 1.0 else 0.012 * (x < 0.5)

    (effect,) = fit_data_reuse(reuse_rows(sd=0.001, rho=0.0, taus=(1, 10), effect=jump)).models[0].effects
    assert effect.interval_90 is not None
    assert effect.interval_90.high < math.log(1.02)
    assert not effect.is_rising
    assert effect.verdict == "not_settled"


def test_nothing_that_rises_is_ever_called_safe() -> None:
    found = [
        effect
        for rng_seed in range(60)
        for effect in fit_data_reuse(
            reuse_rows(rng_seed, sd=0.004, effect=lambda tau, x: 0.02 * x if tau > 5 else 0.0), draws=0
        ).models[0].effects
    ]  # fmt: skip
    assert any(effect.is_rising for effect in found)
    assert not any(effect.is_rising and effect.verdict == "equivalent" for effect in found)


def test_too_little_data_settle_nothing() -> None:
    fit = fit_data_reuse(reuse_rows(sd=0.2, effect=none))
    model = fit.models[0]
    assert "not_settled" in {effect.verdict for effect in model.effects}
    assert model.largest_safe_tau is None
    assert "do not settle" in model.summary


def test_equal_rows_in_any_order_give_equal_fits() -> None:
    rows = reuse_rows()
    assert fit_data_reuse(rows) == fit_data_reuse(rows[::-1])


@pytest.mark.parametrize(
    ("seeds", "run_sd", "rho", "least"),
    [((1,), 0.0, 0.5, 0.88), ((1, 2), 0.01, 0.5, 0.90), ((1, 2, 3), 0.01, 0.8, 0.90)],
    ids=["one seed, correlated", "two seeds that differ", "three seeds that differ"],
)
def test_intervals_of_the_mean_hold_the_truth_as_often_as_they_say(
    seeds: tuple[int, ...], run_sd: float, rho: float, least: float
) -> None:
    truth = math.log(1.02) * math.log(50 / 15) / math.log(2)
    held = []
    for rng_seed in range(200):
        rows = reuse_rows(rng_seed, taus=(1, 5, 50), seeds=seeds, run_sd=run_sd, rho=rho, steps=40, effect=harm_at_once)
        effect = effects(fit_data_reuse(rows, draws=0))[50]
        assert effect.interval is not None
        held.append(effect.interval.low <= truth <= effect.interval.high)
    assert least <= np.mean(held) <= 0.995


def harm_at_once(tau: float, x: float) -> float:
    return harm(tau, 1.0)


def test_the_onset_lies_in_its_interval_as_often_as_that_says() -> None:
    held = []
    for rng_seed in range(100):
        rows = reuse_rows(rng_seed, taus=(1, 5, 15, 30, 60), steps=30, effect=harm_at_once)
        onset = fit_data_reuse(rows, draws=300).models[0].onset
        assert onset.low is not None
        held.append(onset.low <= ONSET <= (onset.high or math.inf))
    assert np.mean(held) >= 0.9


def test_without_harm_few_taus_are_called_harmful() -> None:
    verdicts = [
        effect.verdict
        for rng_seed in range(60)
        for effect in fit_data_reuse(reuse_rows(rng_seed, effect=none, steps=40), draws=0).models[0].effects
    ]
    assert np.mean([verdict == "harmful" for verdict in verdicts]) < 0.06


def test_one_seed_has_an_interval_from_its_evaluations_and_a_warning() -> None:
    fit = fit_data_reuse(reuse_rows(seeds=(1,)))
    intervals = [effect.interval for effect in fit.models[0].effects]
    assert {each.method for each in intervals if each} == {"autocorrelated residuals"}
    assert said(fit, "SEEDS")[0][0] == "warning"


def test_one_short_seed_has_no_interval_and_settles_nothing() -> None:
    fit = fit_data_reuse(reuse_rows(seeds=(1,), steps=5))
    model = fit.models[0]
    assert {effect.interval for effect in model.effects} == {None}
    assert {effect.verdict for effect in model.effects} == {"not_settled"}
    assert model.onset.share is None
    assert said(fit, "SHORT")


def test_runs_without_a_twin_are_named_and_left_out() -> None:
    rows = [row for row in reuse_rows(taus=(1, 5, 20)) if not (row["tau"] == 1 and row["seed"] == 3)]
    fit = fit_data_reuse(rows)
    orphans = sorted({row["trial_id"] for row in rows if row["seed"] == 3})  # type: ignore[type-var]

    assert [trial for trial, _ in fit.left_out] == orphans
    assert all(str(trial) in said(fit, "TWINS")[0][1] for trial in orphans)
    assert {effect.num_pairs for effect in fit.models[0].effects} == {2}


@pytest.mark.parametrize("name", [*(name for name in CONFIGURATION if name not in ("model", "tau")), "seed"])
def test_a_run_that_differs_in_more_than_tau_is_no_twin_and_is_told_in_what(name: str) -> None:
    rows = reuse_rows(taus=(1, 5), seeds=(1,))
    for row in rows:
        row[name] = 0 if row["tau"] == 1 else row[name]
    with pytest.raises(FitError, match=f"most like it differs in {name}\\)"):
        fit_data_reuse(rows)


def test_a_model_without_fresh_runs_is_said_to_have_none() -> None:
    rows = reuse_rows(taus=(1, 5)) + reuse_rows(taus=(5,), model="m-1b", num_params=1_000_000_000)
    for number, row in enumerate(rows):
        row["evaluation_id"] = number
    assert {reason for _, reason in fit_data_reuse(rows).left_out} == {"its model has no run with tau = 1"}


def test_runs_of_different_length_are_compared_where_both_were_evaluated() -> None:
    rows = [row for row in reuse_rows() if not (row["tau"] == 50 and row["step"] > 30)]  # type: ignore[operator]
    fit = fit_data_reuse(rows)
    assert effects(fit)[50].end_x == 30 * 512
    assert effects(fit)[50].num_evaluations == 3 * 30
    assert said(fit, "ENDS")[0][0] == "warning"


def test_perfect_scores_keep_their_counts() -> None:
    rows = reuse_rows(taus=(1, 20), first_loss=0.02, k=0.5, attempts=100, effect=none)
    fit = fit_data_reuse(rows)
    (effect,) = fit.models[0].effects
    assert any(row["score"] == 1.0 for row in rows)
    assert effect.num_evaluations == 150
    assert effect.interval is not None
    assert effect.interval.low < 0 < effect.interval.high
    assert said(fit, "ZEROS")


def test_perfect_exact_scores_leave_the_pair() -> None:
    rows = reuse_rows(taus=(1, 20), seeds=(1,))
    rows[10]["score"] = 1.0
    assert effects(fit_data_reuse(rows))[20].num_evaluations == 49


def test_models_are_judged_apart() -> None:
    rows = reuse_rows() + reuse_rows(1, model="m-1b", num_params=1_000_000_000, effect=none)
    for number, row in enumerate(rows):
        row["evaluation_id"] = number
    fit = fit_data_reuse(rows)
    assert [model.model for model in fit.models] == ["m-1b", "m-7b"]
    assert [model.effects[-1].verdict for model in fit.models] == ["equivalent", "harmful"]


def test_pairs_of_different_settings_are_not_passed_off_as_repeats() -> None:
    rows = reuse_rows()
    for row in rows:
        row["learning_rate"] = 1e-5 if row["seed"] == 3 else 1e-6
    assert "learning_rate" in said(fit_data_reuse(rows), "F15")[0][1]


def test_a_single_tau_cannot_be_judged() -> None:
    with pytest.raises(FitError, match="several values of tau"):
        fit_data_reuse(reuse_rows(taus=(1,)))


@pytest.mark.parametrize("wrong", [{"margin": 0.0}, {"window": 1.5}])
def test_shares_must_be_shares(wrong: dict[str, float]) -> None:
    with pytest.raises(FitError, match="between 0 and 1"):
        fit_data_reuse(reuse_rows(), **wrong)  # type: ignore[arg-type]
