"""Laws of one learning curve: the truth is found again, and every prefix is held against the end."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from scaling.errors import FitError
from scaling.intra_model.fit import fit_intra_model
from scaling.laws.trajectories import TRAJECTORY_LAWS, Curve, fit_trajectory, gradient
from scaling.observations import FloatArray, from_rows
from scaling.synthetic import Noise, Scoring, law_rows

X = np.arange(1, 106) * 512.0
TRUTHS = {
    "log-linear": {"E": 0.3, "k": 0.1},
    "floor": {"L_inf": 0.2, "B": 8.0, "k": 0.4},
    "sigmoid": {"R_0": 0.28, "A": 0.59, "X_mid": 5861.6, "B": 1.2},
    "s-curve": {"L_inf": 0.41, "D": 0.31, "X_mid": 5861.6, "B": 1.0},
}


def curve_of(law: str, *, sd: float = 0.0, seed: int = 0) -> Curve:
    loss = TRAJECTORY_LAWS[law].loss(TRUTHS[law], X)
    noise = np.random.default_rng(seed).normal(0.0, sd, len(X)) if sd else 0.0
    return Curve(X, loss + noise, np.ones_like(X), start=0.72)


@pytest.mark.parametrize("law", TRUTHS)
def test_a_curve_without_noise_gives_its_own_numbers_back(law: str) -> None:
    found = fit_trajectory(law, curve_of(law))
    assert found.parameters == pytest.approx(TRUTHS[law], rel=1e-4)
    assert found.rss < 1e-9
    assert not found.is_at_edge


@pytest.mark.parametrize("law", TRUTHS)
def test_gradients_are_those_of_the_law(law: str) -> None:
    found = fit_trajectory(law, curve_of(law))
    fitted = [name for name in found.parameters if (law, name) != ("sigmoid", "R_0")]
    for column, name in zip(gradient(found, X).T, fitted, strict=True):
        value = found.parameters[name]
        moved = TRAJECTORY_LAWS[law].loss({**found.parameters, name: value * 1.001}, X)
        here = TRAJECTORY_LAWS[law].loss(found.parameters, X)
        assert column == pytest.approx((moved - here) / (0.001 * value), rel=0.01, abs=1e-12)


def scalerl_procedure(curve: Curve) -> float:
    """The sum of squares that the published procedure ends with: a grid over A and C_mid, curve_fit for B."""
    reward, start = 1 - curve.loss, 1 - (curve.start or 0.0)
    best = np.inf
    for ceiling in np.arange(0.45, 0.8001, 0.005):
        for middle in np.linspace(100, 40000, 100):

            def sigmoid(x: FloatArray, exponent: float, a: float = ceiling, mid: float = middle) -> FloatArray:
                value: FloatArray = start + (a - start) / (1 + (mid / x) ** exponent)
                return value

            if abs(middle - 5861.6) > 1500 or abs(ceiling - 0.59) > 0.06:
                continue  # far from the optimum, where it loses time and nothing else
            (exponent,), _ = curve_fit(sigmoid, curve.x, reward, p0=[1.0], maxfev=2000)
            best = min(best, float(np.sum((sigmoid(curve.x, exponent) - reward) ** 2)))
    return best


def test_the_sigmoid_is_nearer_than_the_published_grid_search() -> None:
    curve = curve_of("sigmoid", sd=0.003)
    assert fit_trajectory("sigmoid", curve).rss <= scalerl_procedure(curve) * (1 + 1e-9)


def test_the_same_points_give_the_same_fit_to_the_byte() -> None:
    curve = curve_of("s-curve", sd=0.01)
    assert fit_trajectory("s-curve", curve).parameters == fit_trajectory("s-curve", curve).parameters


@pytest.mark.parametrize(
    ("law", "curve", "words"),
    [
        ("parabola", curve_of("floor"), "Choose one of log-linear, floor, sigmoid, s-curve"),
        ("s-curve", Curve(X[:4], curve_of("floor").loss[:4], np.ones(4)), "4 evaluations are too few for s-curve"),
        ("sigmoid", Curve(X, X / X.max(), np.ones_like(X)), "needs the loss before training"),
        ("floor", Curve(np.full(9, 512.0), np.full(9, 0.5), np.ones(9)), "all evaluations are at one x"),
        ("log-linear", Curve(X, np.zeros_like(X), np.ones_like(X)), "two evaluations with a wrong answer"),
    ],
)
def test_a_curve_that_bears_no_such_law_is_refused(law: str, curve: Curve, words: str) -> None:
    with pytest.raises(FitError, match=words):
        fit_trajectory(law, curve)


def rows(*, seeds: int = 1, steps: int = 100, rng_seed: int = 0, k: float = 0.1) -> list[dict[str, object]]:
    return law_rows(
        {7_000_000: k}, seeds=range(seeds), steps=range(steps + 1), noise=Noise(point_sd=0.0), rng_seed=rng_seed,
        scoring=Scoring(problems=500, samples_per_problem=4),
    )  # fmt: skip


def test_every_cut_is_made_and_none_sees_the_end() -> None:
    (run,) = fit_intra_model(from_rows(rows())).runs
    cuts = [made.shots for made in run.forecasts if made.law == "log-linear"]
    assert cuts == list(range(10, 91, 5))
    assert {made.label for made in run.forecasts if made.shots == 25} == {"kshot(25)"}
    assert all(made.from_x < made.at_x for made in run.forecasts)
    assert {law.fit.law for law in run.laws} == {"log-linear", "floor", "s-curve", "sigmoid"}


def test_intervals_of_a_true_law_hold_the_end_as_often_as_they_say() -> None:
    covered: list[bool] = []
    for seed in range(60):
        fit = fit_intra_model(from_rows(rows(rng_seed=seed, steps=60)), laws=["log-linear"], prefixes=[0.3, 0.5])
        covered += [made.covered for made in fit.runs[0].forecasts if made.covered is not None]
    assert len(covered) == 120
    assert np.mean(covered) > 0.9


def test_a_straight_line_through_an_s_curve_is_right_once_and_changes_its_sign_there() -> None:
    curve = TRAJECTORY_LAWS["s-curve"].loss(TRUTHS["s-curve"], X)
    made = [
        {**row, "score": 1 - float(loss), "successes": None, "samples_per_problem": None}
        for row, loss in zip(rows(steps=105)[1:], curve, strict=True)
    ]
    (run,) = fit_intra_model(from_rows(made), laws=["log-linear", "s-curve"]).runs
    errors = [each.relative_error for each in run.forecasts if each.law == "log-linear"]
    assert errors[0] is not None
    assert errors[0] > 0.02
    assert errors[-1] is not None
    assert errors[-1] < -0.005
    assert run.laws[0].fit.law == "s-curve"
    exact = [each.relative_error for each in run.forecasts if each.law == "s-curve"]
    assert exact == pytest.approx([0.0] * len(exact), abs=1e-3)


def test_short_runs_are_named_and_alone_refused() -> None:
    short, long = rows(steps=6), rows(steps=40)
    both = long + [{**row, "trial_id": 9, "seed": 9, "evaluation_id": 1000 + n} for n, row in enumerate(short)]
    fit = fit_intra_model(from_rows(both))
    assert [(trial, reason.split(";")[0]) for trial, reason in fit.left_out] == [(9, "6 evaluations")]
    with pytest.raises(FitError, match="no run has 10 evaluations inside the window"):
        fit_intra_model(from_rows(short))
