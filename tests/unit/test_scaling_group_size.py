"""The best group size depends on the budget: crossings are found where they are, with intervals that hold them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from scaling.errors import FitError
from scaling.group_size.fit import fit_group_size
from scaling.group_size.results import Crossing, GroupSizeFit, GroupSizesOfModel

GROUPS = (4, 8, 16, 32)
Rows = list[dict[str, object]]


def slope(group: int) -> float:
    return 0.05 + 0.02 * math.log2(group / 4)


def line(group: int, step: float) -> float:
    return math.log(0.8) - slope(group) * math.log(step)


def crossing_of(before: int, after: int) -> float:
    """FLOPs, one a completion, at which the lines of two group sizes cross."""
    ends = slope(after) * math.log(after) - slope(before) * math.log(before)
    return math.exp(ends / (slope(after) - slope(before)))


def s_shape(group: int, step: float) -> float:
    """A plateau at first, then a fall: no straight line."""
    return math.log(0.8 - 0.5 / (1 + (20 * (8 / group) ** 0.5 / step) ** 2))


def group_rows(
    rng_seed: int = 0,
    *,
    groups: Sequence[int] = GROUPS,
    seeds: Sequence[int] = (1, 2, 3),
    steps: int = 100,
    every: int = 2,
    sd: float = 0.01,
    rho: float = 0.5,
    run_sd: float = 0.0,
    truth: Callable[[int, float], float] = line,
    attempts: int | None = None,
    model: str = "m-7b",
    num_params: int = 7_000_000_000,
) -> Rows:
    """Runs of one model at every group size; a completion costs one FLOP, a step is one prompt."""
    rng = np.random.default_rng(rng_seed)
    rows: Rows = []
    for index, (group, seed) in enumerate((group, seed) for group in groups for seed in seeds):
        level, wobble = run_sd * rng.normal(), rng.normal()
        for step in range(0, steps + 1, every):
            loss = min(math.exp(truth(group, max(step, 1)) + level + sd * wobble), 1.0)
            wobble = rho * wobble + math.sqrt(1 - rho**2) * rng.normal()
            failures = None if attempts is None else int(rng.binomial(attempts, loss))
            rows.append(
                {
                    "evaluation_id": len(rows) + 1, "trial_id": num_params // 10**6 + index, "model": model,
                    "num_params": num_params, "data": "maths", "algorithm": "grpo", "seed": seed, "group_size": group,
                    "tau": None, "learning_rate": 1e-6, "prompts_per_step": 512, "updates_per_step": 4,
                    "kl_coefficient": 0.001, "step": step, "samples": float(step), "tokens": None,
                    "flops": float(step * group), "gpu_hours": step * group / 3600, "benchmark": "heldout",
                    "protocol": "exact", "problems": attempts or 500, "standard_error": None,
                    "samples_per_problem": None if attempts is None else 1,
                    "successes": None if attempts is None or failures is None else attempts - failures,
                    "score": 1 - loss if attempts is None or failures is None else 1 - failures / attempts,
                }
            )  # fmt: skip
    return rows


def only(fit: GroupSizeFit) -> GroupSizesOfModel:
    (model,) = fit.models
    return model


def crossing(fit: GroupSizeFit, before: int, after: int) -> Crossing:
    (found,) = (each for each in only(fit).crossings if (each.before, each.after) == (before, after))
    return found


def said(fit: GroupSizeFit, code: str) -> list[tuple[str, str]]:
    return [(check.severity, check.message) for check in fit.checks if check.code == code]


def test_without_noise_lines_cross_where_they_do_and_the_best_one_follows() -> None:
    fit = fit_group_size(group_rows(sd=0.0), draws=0)
    model = only(fit)

    assert model.shape == "line"
    assert [group.k for group in model.groups] == pytest.approx([slope(group) for group in GROUPS])
    for before, after in ((4, 8), (8, 16), (16, 32)):
        assert crossing(fit, before, after).x == pytest.approx(crossing_of(before, after), rel=1e-6)
    assert [each.group_size for each in model.ranges] == [4, 8, 16, 32]
    assert model.ranges[1].from_x == pytest.approx(crossing_of(4, 8), rel=0.1)
    assert crossing(fit, 4, 8).low is None
    assert "G = 8 overtakes G = 4 at 45.3 FLOPs" in model.summary
    assert "G = 16 overtakes G = 4" not in model.summary
    assert said(fit, "UNSURE")


def test_noise_widens_what_is_known_and_the_shares_say_how_sure_the_best_is() -> None:
    fit = fit_group_size(group_rows())
    found = crossing(fit, 8, 16)

    assert found.low is not None
    assert found.high is not None
    assert found.low < crossing_of(8, 16) < found.high
    assert found.share == pytest.approx(1.0, abs=0.05)
    for best in only(fit).best:
        shares = [share for _, _, share in best.shares]
        assert sum(share for share in shares if share is not None) == pytest.approx(1.0)
    first, *_, last = only(fit).best
    assert (first.group_size, last.group_size) == (4, 32)
    assert last.share == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("seeds", "run_sd", "rho"),
    [((1,), 0.0, 0.5), ((1, 2), 0.005, 0.5), ((1, 2, 3), 0.01, 0.8)],
    ids=["one seed, correlated", "two seeds that differ", "three seeds that differ"],
)
def test_crossings_lie_in_their_intervals_as_often_as_those_say(
    seeds: tuple[int, ...], run_sd: float, rho: float
) -> None:
    held = []
    for rng_seed in range(150):
        rows = group_rows(rng_seed, groups=(8, 16), seeds=seeds, run_sd=run_sd, rho=rho, sd=0.005)
        (found,) = only(fit_group_size(rows, draws=400)).crossings[:1] or (None,)
        if found is None or found.share is None:
            continue
        held.append((found.low or 0.0) <= crossing_of(8, 16) <= (found.high or math.inf))
    assert len(held) > 130
    assert np.mean(held) >= 0.9


def test_curves_that_no_line_fits_are_compared_by_cubics() -> None:
    fit = fit_group_size(group_rows(sd=0.003, rho=0.0, truth=s_shape, groups=(8, 32)), x="samples")
    model = only(fit)
    x = np.array([each.x for each in model.best])
    fitted = {
        size: np.array([loss for each in model.best for g, loss, _ in each.shares if g == size]) for size in (8, 32)
    }

    assert model.shape == "cubic"
    assert model.curvature_p is not None
    assert model.curvature_p < 0.01
    for size, losses in fitted.items():
        assert losses == pytest.approx(np.exp([s_shape(size, each) for each in x]), rel=0.1)
    assert model.ranges[-1].group_size == 32


def test_equal_rows_in_any_order_give_equal_fits() -> None:
    rows = group_rows(steps=40)
    assert fit_group_size(rows, draws=50) == fit_group_size(rows[::-1], draws=50)


def test_crossings_and_edges_ask_for_the_budget_and_for_more_group_sizes() -> None:
    fit = fit_group_size(group_rows())
    severities = [severity for severity, _ in said(fit, "F12")]
    messages = " ".join(message for _, message in said(fit, "F12"))

    assert severities.count("warning") == 1
    assert messages.count(" overtakes ") == len(only(fit).crossings) > 1
    assert "Quote the budget" in messages
    assert "Add smaller G" in messages
    assert "Add larger G" in messages
    assert said(fit, "COVER")


def test_curves_that_do_not_cross_are_said_not_to() -> None:
    fit = fit_group_size(group_rows(truth=lambda group, step: line(8, step) - 0.1 * math.log2(group)), x="samples")
    assert only(fit).crossings == ()
    assert [each.group_size for each in only(fit).ranges] == [32]
    assert ("ok", "m-7b: no two group sizes cross inside the range they share.") in said(fit, "F12")


def test_equal_curves_leave_it_open_which_is_the_best() -> None:
    fit = fit_group_size(group_rows(truth=lambda group, step: line(8, step), sd=0.02, run_sd=0.02), x="samples")
    shares = [each.share for each in only(fit).best if each.share is not None]
    assert np.median(shares) < 0.8
    assert said(fit, "UNSURE")


@pytest.mark.parametrize("x", ["samples", "steps", "gpu_hours", "flops"])
def test_the_axis_decides_what_is_compared(x: str) -> None:
    fit = fit_group_size(group_rows(sd=0.0), x=x, draws=0)
    unit = {"samples": 1.0, "steps": 1.0, "flops": 8.0, "gpu_hours": 8 / 3600}[x]
    (eight,) = (group for group in only(fit).groups if group.group_size == 8)
    assert eight.x_max == pytest.approx(100 * unit)
    assert fit.x_kind == x


def test_an_axis_that_was_not_recorded_is_named() -> None:
    with pytest.raises(FitError, match="no tokens"):
        fit_group_size(group_rows(steps=10), x="tokens")
    with pytest.raises(FitError, match="not an x-axis"):
        fit_group_size(group_rows(steps=10), x="dollars")


def test_one_seed_has_intervals_from_its_evaluations_and_a_warning() -> None:
    fit = fit_group_size(group_rows(seeds=(1,)))
    assert crossing(fit, 8, 16).share is not None
    assert said(fit, "SEEDS")[0][0] == "warning"


def test_one_short_seed_says_nothing_of_how_sure_it_is() -> None:
    fit = fit_group_size(group_rows(seeds=(1,), steps=10))
    assert {each.share for each in only(fit).best} == {None}
    assert said(fit, "UNSURE")[0][0] == "warning"


def test_counts_with_perfect_scores_are_kept() -> None:
    rows = group_rows(sd=0.0, attempts=100, truth=lambda group, step: math.log(0.05) - 0.3 * math.log(step))
    fit = fit_group_size(rows, x="samples", draws=50)
    assert any(row["score"] == 1.0 for row in rows)
    assert fit.estimator == "qb"
    assert fit.num_points == sum(row["step"] != 0 for row in rows)
    assert np.mean([group.k for group in only(fit).groups]) == pytest.approx(0.3, abs=0.09)


def test_a_perfect_exact_score_leaves_the_estimation() -> None:
    rows = group_rows(seeds=(1,))
    rows[10]["score"] = 1.0
    assert fit_group_size(rows, draws=0).num_points == sum(row["step"] != 0 for row in rows) - 1


def test_runs_of_different_length_are_compared_where_all_reach() -> None:
    rows = [row for row in group_rows() if not (row["seed"] == 2 and row["group_size"] == 8 and row["step"] > 60)]  # type: ignore[operator]
    (eight,) = (group for group in only(fit_group_size(rows, draws=0)).groups if group.group_size == 8)
    assert eight.x_max == pytest.approx(60 * 8)
    assert eight.num_evaluations == 50 + 30 + 50


def test_models_are_judged_apart_and_one_with_a_single_group_size_is_left_out() -> None:
    rows = group_rows(steps=40)
    rows += group_rows(1, steps=40, model="m-1b", num_params=1_000_000_000)
    rows += group_rows(2, steps=40, model="m-3b", num_params=3_000_000_000, groups=(8,))
    for number, row in enumerate(rows):
        row["evaluation_id"] = number
    fit = fit_group_size(rows, draws=50)
    assert [model.model for model in fit.models] == ["m-1b", "m-7b"]
    assert [model for model, _ in fit.left_out] == ["m-3b"]
    assert said(fit, "ONE_G")


def test_runs_that_differ_in_more_are_not_passed_off_as_repeats() -> None:
    rows = group_rows(steps=40)
    for row in rows:
        row["learning_rate"] = 1e-5 if row["seed"] == 3 else 1e-6
    assert "learning_rate" in said(fit_group_size(rows, draws=0), "F15")[0][1]


def test_a_single_group_size_cannot_be_judged() -> None:
    with pytest.raises(FitError, match="several group sizes"):
        fit_group_size(group_rows(groups=(8,), steps=20))


def test_unknown_group_sizes_cannot_be_judged() -> None:
    rows = group_rows(groups=(8,), steps=20)
    for row in rows:
        row["group_size"] = None
    with pytest.raises(FitError, match="not known"):
        fit_group_size(rows)
