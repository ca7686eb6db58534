"""The best size of a budget: where it changes, how sure that is, and when it means nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from scaling.errors import FitError
from scaling.forecasting.envelope import drawn_crossings, lowest_lines
from scaling.forecasting.frontier import frontier
from scaling.forecasting.results import Frontier
from scaling.observations import Observations, from_rows
from scaling.synthetic import Noise, law_rows, saturating_slopes
from tests.published_curves import published_rows

SIZES = (1_000_000, 4_000_000, 16_000_000, 64_000_000, 256_000_000)
UNSEEN = 1_024_000_000
STEPS = range(1, 62, 2)
K = saturating_slopes((*SIZES, UNSEEN), k_max=0.2, n0=30_000_000)
FIRST = {size: math.exp(math.log(0.9) - 0.04 * math.log(size / 1e6)) for size in K}
FLOPS_PER_STEP = {size: 512 * 100 * 6 * size for size in K}  # as `synthetic` counts them


def crossing(before: int, after: int) -> float:
    """FLOPs at which the larger of two sizes overtakes, by the law."""
    ends = [math.log(FIRST[size]) + K[size] * math.log(FLOPS_PER_STEP[size]) for size in (after, before)]
    return math.exp((ends[0] - ends[1]) / (K[after] - K[before]))


def study(
    rng_seed: int = 0,
    *,
    sizes: Sequence[int] = SIZES,
    seeds: Sequence[int] = (1, 2, 3),
    noise: Noise | None = None,
    x: str = "flops",
    slopes: dict[int, float] | None = None,
    steps: Sequence[int] = STEPS,
) -> Observations:
    rows = law_rows(
        slopes or {size: K[size] for size in sizes}, seeds=seeds, steps=steps, noise=noise or Noise(0.01),
        rng_seed=rng_seed, first_losses=FIRST,
    )  # fmt: skip
    return from_rows(rows, x=x)  # type: ignore[arg-type]


def said(found: Frontier, code: str) -> list[str]:
    return [check.severity for check in found.checks if check.code == code]


def test_without_noise_sizes_hand_over_where_their_curves_cross() -> None:
    found = frontier(study(noise=Noise(0.0)), draws=0)

    pairs = [(each.before, each.after) for each in found.handovers]
    assert pairs == [(4_000_000, 16_000_000), (16_000_000, 64_000_000), (64_000_000, 256_000_000)]
    for each in found.handovers:
        assert each.x == pytest.approx(crossing(each.before, each.after), rel=1e-6)
        assert (each.low, each.high, each.share) == (None, None, None)
    assert [each.num_params for each in found.stretches] == list(SIZES[1:])
    for before, after, handover in zip(found.stretches, found.stretches[1:], found.handovers, strict=False):
        assert before.to_x == handover.x == after.from_x
    assert found.never_best == ((SIZES[0], None),)


def test_the_window_goes_from_the_first_budget_to_ten_times_the_last() -> None:
    found = frontier(study(), draws=0)

    assert found.points[0].x == pytest.approx(FLOPS_PER_STEP[SIZES[0]])
    assert found.points[-1].x == pytest.approx(10 * 61 * FLOPS_PER_STEP[SIZES[-1]])
    assert (found.stretches[0].from_x, found.stretches[-1].to_x) == (found.from_x, found.to_x)


def test_the_point_of_the_frontier_is_the_lowest_of_all_losses() -> None:
    found = frontier(study(noise=Noise(0.0)), draws=0)

    for each in found.points:
        losses = {
            size: FIRST[size] * (each.x / FLOPS_PER_STEP[size]) ** -K[size] for size in SIZES
        }  # fmt: skip
        assert losses[each.num_params] == pytest.approx(min(losses.values()), rel=1e-6)
        assert each.loss == pytest.approx(min(*losses.values(), 1.0), rel=1e-6)


def test_intervals_of_handovers_and_losses_hold_the_truth() -> None:
    noise = Noise(0.02, autocorrelation=0.5, level_sd=0.005)
    crossings, losses = [], []
    for rng_seed in range(60):
        found = frontier(study(rng_seed, noise=noise, steps=range(1, 62, 4)), draws=200)
        for each in found.handovers:
            if (each.before, each.after) in ((16_000_000, 64_000_000), (64_000_000, 256_000_000)):
                true = crossing(each.before, each.after)
                crossings.append((each.low or 0.0) <= true <= (each.high or math.inf))
        point = found.points[40]
        true = FIRST[point.num_params] * (point.x / FLOPS_PER_STEP[point.num_params]) ** -K[point.num_params]
        assert point.interval is not None
        losses.append(point.interval.low <= true <= point.interval.high)

    assert len(crossings) > 100
    assert 0.88 <= np.mean(crossings) < 1.0
    assert np.mean(losses) >= 0.87


def test_shares_say_how_sure_the_best_size_is() -> None:
    found = frontier(study())

    for each in found.points:
        shares = [share for _, share in each.shares if share is not None]
        assert sum(shares) == pytest.approx(1.0)
        assert each.share == dict(each.shares)[each.num_params]
    for stretch in found.stretches:
        assert stretch.lowest_share is not None
        assert stretch.highest_share is not None
        assert stretch.lowest_share <= stretch.highest_share
    assert found.stretches[-1].highest_share is not None
    assert found.stretches[-1].highest_share > 0.9


def test_a_handover_says_whether_both_sizes_were_seen_on_either_side_of_it() -> None:
    near, far = (
        frontier(study(noise=Noise(0.0), steps=steps), draws=0).handovers for steps in (range(1, 400, 10), (1, 2, 3))
    )

    assert any(each.is_observed and each.outside == 0.0 for each in near)
    for each in near + far:
        last = 391 if each in near else 3
        inside = [
            FLOPS_PER_STEP[size] * 0.999 <= each.x <= FLOPS_PER_STEP[size] * last * 1.001
            for size in (each.before, each.after)
        ]
        assert each.is_observed == all(inside)
    outside = far[-1]
    distance = max(
        abs(math.log(outside.x / end / FLOPS_PER_STEP[size])) / math.log(3)
        for size, end in ((outside.before, 3), (outside.after, 1))
        if not FLOPS_PER_STEP[size] <= outside.x <= 3 * FLOPS_PER_STEP[size]
    )
    assert outside.outside == pytest.approx(distance)


def test_a_size_that_was_not_trained_joins_in_and_is_never_called_observed() -> None:
    found = frontier(study(noise=Noise(0.0)), sizes=[UNSEEN], to_x=10 * crossing(SIZES[-1], UNSEEN), draws=0)

    last = found.handovers[-1]
    assert (last.before, last.after) == (SIZES[-1], UNSEEN)
    assert last.x == pytest.approx(crossing(SIZES[-1], UNSEEN), rel=1e-6)
    assert not last.is_observed
    assert found.trained_on == SIZES
    assert found.sizes == (*SIZES, UNSEEN)
    assert said(found, "LEVEL") == ["note"]


def test_a_handover_to_a_size_that_was_not_trained_is_not_observed_even_among_the_budgets_seen() -> None:
    between = 30_000_000
    found = frontier(study(noise=Noise(0.0), steps=range(1, 400, 10)), sizes=[between], draws=0)

    with_it = [each for each in found.handovers if between in (each.before, each.after)]
    assert len(with_it) == 2
    assert all(each.outside == 0.0 and not each.is_observed for each in with_it)
    assert any("by a size that was not trained" in line for line in found.summary)


def test_sizes_that_learn_alike_never_hand_over() -> None:
    found = frontier(study(slopes=dict.fromkeys(SIZES, 0.1), noise=Noise(0.0)), k_form="constant", draws=0)

    assert found.handovers == ()
    assert len(found.stretches) == 1
    assert {size for size, _ in found.never_best} == set(SIZES) - {found.stretches[0].num_params}


def test_one_size_is_the_best_of_itself() -> None:
    found = frontier(study(sizes=SIZES[:1]))

    assert [(each.num_params, each.lowest_share) for each in found.stretches] == [(SIZES[0], 1.0)]
    assert said(found, "ALONE") == ["note"]
    assert found.exponent.value is None


def test_two_sizes_are_compared_by_their_own_slopes_and_no_third_joins() -> None:
    found = frontier(study(sizes=SIZES[2:4]))

    assert found.k_form == "free"
    assert [(each.before, each.after) for each in found.handovers] == [(SIZES[2], SIZES[3])]
    with pytest.raises(FitError, match="three sizes"):
        frontier(study(sizes=SIZES[2:4]), sizes=[UNSEEN])


def test_a_size_that_gets_worse_is_best_at_the_start_at_most() -> None:
    slopes = {**{size: K[size] for size in SIZES}, SIZES[-1]: -0.05}

    found = frontier(study(slopes=slopes), k_form="free")

    assert found.stretches[-1].num_params == SIZES[-2]
    assert said(found, "F05") == ["warning"]


@pytest.mark.parametrize("x", ["samples", "steps", "tokens"])
def test_where_sizes_cost_the_same_the_larger_one_wins_for_free_and_that_is_said(x: str) -> None:
    found = frontier(study(x=x), draws=0)

    assert [each.num_params for each in found.stretches] == [SIZES[-1]]
    assert said(found, "AXIS") == ["warning"]


@pytest.mark.parametrize("x", ["flops", "gpu_hours", "paper_flops"])
def test_budgets_need_no_such_caution(x: str) -> None:
    assert said(frontier(replace(study(), x_kind=x), draws=0), "AXIS") == []


def test_the_exponent_takes_three_handovers() -> None:
    three, fewer = frontier(study(noise=Noise(0.001))), frontier(study(sizes=SIZES[2:], noise=Noise(0.001)))
    middles = [math.log(math.sqrt(each.before * each.after)) for each in three.handovers]

    assert three.exponent.value == pytest.approx(np.polyfit(np.log([h.x for h in three.handovers]), middles, 1)[0])
    assert three.exponent.interval is not None
    assert three.exponent.interval.low < three.exponent.value < three.exponent.interval.high  # type: ignore[operator]
    assert fewer.exponent.value is None
    assert "takes 3" in fewer.exponent.reason


def test_a_frontier_far_beyond_the_data_is_a_warning() -> None:
    observations = study()

    assert said(frontier(observations, draws=0), "F14") == ["ok"]
    assert said(frontier(observations, to_x=1e22, draws=0), "F14") == ["warning"]


def test_lines_read_backwards_are_pointed_out() -> None:
    observations = study()

    assert said(frontier(observations, draws=0), "BACKWARDS") == ["note"]
    assert said(frontier(observations, from_x=FLOPS_PER_STEP[SIZES[-1]], draws=0), "BACKWARDS") == []


@pytest.mark.parametrize(("from_x", "to_x"), [(0.0, None), (None, math.nan), (1e18, 1e17)])
def test_a_window_that_is_none_is_refused(from_x: float | None, to_x: float | None) -> None:
    with pytest.raises(FitError):
        frontier(study(sizes=SIZES[:1]), from_x=from_x, to_x=to_x)


def test_equal_data_give_equal_frontiers_to_the_byte() -> None:
    first, second = frontier(study(), sizes=[UNSEEN]), frontier(study(), sizes=[UNSEEN])

    assert first == second
    assert repr(first) == repr(second)


def test_the_summary_can_be_quoted() -> None:
    summary = frontier(study()).summary

    assert any(line.startswith("64M overtakes 16M at ") and "95% interval" in line for line in summary)
    assert any(line.startswith("Nowhere the best: 1M") for line in summary)
    assert any(line.startswith("The best size grows as x^") for line in summary)


def test_the_lowest_lines_follow_each_other_as_a_fine_grid_finds_them() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        intercept, k = rng.normal(size=6), np.abs(rng.normal(size=6))
        found = lowest_lines(intercept, k, -3.0, 3.0)
        for line, start, end in found:
            middle = (start + end) / 2
            assert np.argmin(intercept - k * middle) == line
        assert (found[0][1], found[-1][2]) == (-3.0, 3.0)
        assert all(one[2] == other[1] for one, other in itertools.pairwise(found))


def test_lines_through_one_point_hand_over_once() -> None:
    assert lowest_lines(np.zeros(3), np.array([0.1, 0.2, 0.3]), -1.0, 1.0) == [(0, -1.0, 0.0), (2, 0.0, 1.0)]


def test_a_draw_without_a_crossing_is_over_or_never_comes() -> None:
    before = (np.zeros(3), np.full(3, 0.2))
    after = (np.array([0.1, -0.1, 0.1]), np.array([0.3, 0.2, 0.1]))

    assert drawn_crossings(before, after, 0.0).tolist() == [pytest.approx(1.0), -math.inf, math.inf]


def test_the_published_curves_hand_over_upwards_as_compute_grows() -> None:
    observations = from_rows(published_rows(), x="flops")

    found = frontier(observations)

    order = [each.num_params for each in found.stretches]
    assert order == sorted(order)
    assert order[-1] == 72_000_000_000
    assert {"F08", "SEEDS"} <= {check.code for check in found.checks if check.severity != "ok"}
