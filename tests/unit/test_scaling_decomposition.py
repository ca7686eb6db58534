"""The decomposition of the losses of several sizes with one exponent, and the search for shapes behind it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from scaling.errors import FitError
from scaling.intra_model.decomposition import decompose_loss
from scaling.laws.trajectories import Curve, fit_trajectory
from scaling.observations import FloatArray, Observations, from_rows
from scaling.synthetic import Noise, law_rows

SIZES = (1_000, 4_000, 16_000, 64_000, 256_000)
FLOOR = (0.8, 0.7, 0.6, 0.5, 0.4)
REMOVABLE = (0.1, 0.15, 0.2, 0.25, 0.3084)
HALF_X = (9_000.0, 8_000.0, 7_000.0, 6_500.0, 5_861.6)
BETA = 1.3


def study(*, sd: float, exponents: tuple[float, ...] = (BETA,) * 5, sizes: int = 5, rng_seed: int = 0) -> Observations:
    rng = np.random.default_rng(rng_seed)
    made = law_rows(dict.fromkeys(SIZES[:sizes], 0.1), seeds=(0, 1), steps=range(1, 81), noise=Noise(0.0), rng_seed=0)
    for row in made:
        i = SIZES.index(int(str(row["num_params"])))
        far = (float(str(row["samples"])) / HALF_X[i]) ** exponents[i]
        row["score"] = 1 - (FLOOR[i] + REMOVABLE[i] / (1 + far) + sd * rng.normal())
    return from_rows(made)


def test_the_numbers_of_every_size_and_the_shared_exponent_are_found_again() -> None:
    found = decompose_loss(study(sd=0.0))

    assert found.exponent == pytest.approx(BETA, rel=1e-3)
    assert [size.floor for size in found.sizes] == pytest.approx(FLOOR, rel=1e-3)
    assert [size.removable for size in found.sizes] == pytest.approx(REMOVABLE, rel=1e-2)
    assert [size.half_x for size in found.sizes] == pytest.approx(HALF_X, rel=1e-2)


def test_it_is_flagged_as_research_and_its_intervals_hold_the_truth() -> None:
    found = decompose_loss(study(sd=0.004))

    assert found.is_research
    assert found.checks[0].code == "RESEARCH"
    assert found.exponent_interval is not None
    assert found.exponent_interval.low < BETA < found.exponent_interval.high
    inside = sum(
        interval.low < truth < interval.high
        for size, floor, half_x in zip(found.sizes, FLOOR, HALF_X, strict=True)
        for interval, truth in ((size.floor_interval, floor), (size.half_x_interval, half_x))
        if interval is not None
    )
    assert inside >= 8
    assert "beta = 1." in found.summary[0]


def test_a_run_that_ends_early_borrows_the_exponent_of_the_others() -> None:
    """Twenty evaluations that end soon after X_0: alone they do not tell the floor."""
    off_shared, off_alone = [], []
    for rng_seed in range(3):
        observations = study(sd=0.004, rng_seed=rng_seed)
        short = (observations.num_params == SIZES[-1]) & (observations.step > 20)
        cut = observations.with_role(short, "outside_window", "for the test")
        off_shared.append(abs(decompose_loss(cut).sizes[-1].floor - FLOOR[-1]))
        mine = (observations.num_params == SIZES[-1]) & ~short
        curve = Curve(observations.x[mine], observations.loss[mine], np.ones(int(mine.sum())))
        off_alone.append(abs(fit_trajectory("s-curve", curve).parameters["L_inf"] - FLOOR[-1]))

    assert np.mean(off_shared) < 0.7 * np.mean(off_alone)


@pytest.mark.parametrize(("exponents", "severity"), [((BETA,) * 5, "ok"), ((0.8, 1.0, 1.3, 1.8, 2.5), "warning")])
def test_sizes_that_do_not_share_an_exponent_are_seen(exponents: tuple[float, ...], severity: str) -> None:
    found = decompose_loss(study(sd=0.002, exponents=exponents))
    assert [check.severity for check in found.checks if check.code == "SHARED"] == [severity]


def test_four_sizes_are_refused() -> None:
    with pytest.raises(FitError, match="takes 5"):
        decompose_loss(study(sd=0.004, sizes=4))


def test_equal_data_give_equal_decompositions() -> None:
    assert repr(decompose_loss(study(sd=0.004))) == repr(decompose_loss(study(sd=0.004)))


def reference_rss(curve: Curve) -> float:
    """The s-curve by a general solver on all four numbers, from several starts."""
    log_x = np.log(curve.x)

    def residual(p: FloatArray) -> FloatArray:
        gap: FloatArray = p[0] + p[1] / (1 + np.exp(p[3] * (log_x - p[2]))) - curve.loss
        return gap

    low = [0.0, 0.0, log_x.min() - np.log(100), 0.05]
    high = [np.inf, np.inf, log_x.max() + np.log(100), 5.0]
    starts = [[0.3, 0.4, middle, exponent] for middle in (7.0, 9.0, 11.0) for exponent in (0.3, 1.0, 2.5)]
    return min(
        2 * least_squares(residual, start, bounds=(low, high), xtol=1e-12, ftol=1e-12).cost for start in starts
    )  # fmt: skip


@pytest.mark.parametrize("floor", [0.4, 0.02, 0.0])
@pytest.mark.parametrize("cut", [16, 37, 80])
def test_the_search_for_a_shape_ends_no_higher_than_a_general_solver(floor: float, cut: int) -> None:
    """A floor near 0 puts a fold into the sum of squares, where the level meets its bound."""
    x: FloatArray = 512.0 * np.arange(1, 81, dtype=np.float64)
    loss = floor + 0.4 / (1 + (x / 8_000) ** 0.9) + np.random.default_rng(cut).normal(0, 0.004, len(x))
    curve = Curve(x[:cut], loss[:cut], np.ones(cut))

    assert fit_trajectory("s-curve", curve).rss <= reference_rss(curve) * (1 + 1e-6)
