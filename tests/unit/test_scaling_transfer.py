"""Gain and damage on every benchmark: against the run itself before training, with errors that hold the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from db.tables import FitParameter
from scaling.errors import FitError
from scaling.settings import FitSettings
from scaling.transfer.fit import fit_transfer
from scaling.transfer.records import to_records
from scaling.transfer.results import Transfer, TransferFit

BILLIONS = tuple(int(size * 1e9) for size in (0.5, 1.5, 3, 7, 14))
Rows = list[dict[str, object]]
Loss = Callable[[int, float], float]  # of the size and the share of the run that is done


def falls_by(gain: float) -> Loss:
    return lambda size, done: 0.6 - gain * done


def more_with_size(size: int, done: float) -> float:
    return 0.6 - 0.05 * math.log10(size / 1e8) * done


def rises_late(size: int, done: float) -> float:
    return 0.5 - 0.1 * done if done <= 0.5 else 0.45 + 0.2 * (done - 0.5)


def transfer_rows(
    benchmarks: Mapping[str, Loss],
    rng_seed: int = 0,
    *,
    sizes: Sequence[int] = (7_000_000_000,),
    seeds: Sequence[int] = (1, 2, 3),
    steps: Sequence[int] = tuple(range(0, 101, 5)),
    run_sd: float = 0.0,
    attempts: int | None = 1000,
) -> Rows:
    """Runs scored on every benchmark; with `attempts` by counts, else exactly. A run's gains share its `run_sd`."""
    rng = np.random.default_rng(rng_seed)
    rows: Rows = []
    for trial, (size, seed) in enumerate((size, seed) for size in sizes for seed in seeds):
        luck = run_sd * rng.normal()
        for benchmark, loss_of in benchmarks.items():
            for step in steps:
                done = step / max(steps)
                loss = min(max(loss_of(size, done) - luck * done, 0.0), 1.0)
                failures = None if attempts is None else int(rng.binomial(attempts, loss))
                rows.append(
                    {
                        "evaluation_id": len(rows) + 1, "trial_id": trial, "model": f"m-{size / 1e9:g}b",
                        "num_params": size, "seed": seed, "data": "maths", "algorithm": "grpo", "group_size": 8,
                        "tau": None, "learning_rate": 1e-6, "prompts_per_step": 512, "updates_per_step": 4,
                        "kl_coefficient": 0.001, "step": step, "samples": None, "tokens": None, "flops": None,
                        "benchmark": benchmark, "protocol": "p", "problems": attempts or 500,
                        "samples_per_problem": None if attempts is None else 1,
                        "successes": None if attempts is None or failures is None else attempts - failures,
                        "score": 1 - loss if attempts is None or failures is None else 1 - failures / attempts,
                        "standard_error": None,
                    }
                )  # fmt: skip
    return rows


def only(fit: TransferFit) -> Transfer:
    (transfer,) = fit.transfers
    return transfer


def said(fit: TransferFit, code: str) -> list[tuple[str, str]]:
    return [(check.severity, check.message) for check in fit.checks if check.code == code]


def test_exact_scores_give_the_gain_that_was_put_in() -> None:
    transfer = only(fit_transfer(transfer_rows({"gsm8k": falls_by(0.15)}, attempts=None)))
    assert transfer.gain.value == pytest.approx(0.15)
    assert transfer.relative_gain is not None
    assert transfer.relative_gain.value == pytest.approx(0.25)
    assert (transfer.first_loss, transfer.last_loss) == pytest.approx((0.6, 0.45))
    assert transfer.damage is not None
    assert not transfer.damage.is_found


@pytest.mark.parametrize(
    ("seeds", "run_sd"), [((1,), 0.0), ((1, 2), 0.02), ((1, 2, 3), 0.05)], ids=["one seed", "two seeds", "three seeds"]
)
def test_intervals_of_gains_hold_the_truth_as_often_as_they_say(seeds: tuple[int, ...], run_sd: float) -> None:
    held, held_relative = [], []
    for rng_seed in range(400):
        rows = transfer_rows({"gsm8k": falls_by(0.15)}, rng_seed, seeds=seeds, run_sd=run_sd, steps=(0, 50, 100))
        transfer = only(fit_transfer(rows))
        assert transfer.gain.interval is not None
        assert transfer.relative_gain is not None
        assert transfer.relative_gain.interval is not None
        held.append(transfer.gain.interval.low <= 0.15 <= transfer.gain.interval.high)
        held_relative.append(transfer.relative_gain.interval.low <= 0.25 <= transfer.relative_gain.interval.high)
    assert 0.92 <= np.mean(held) <= 0.98
    assert 0.92 <= np.mean(held_relative) <= 0.98


def test_damage_that_comes_late_is_found_and_dated() -> None:
    fit = fit_transfer(transfer_rows({"zebra": rises_late, "heldout": falls_by(0.1)}))
    damage = {each.benchmark: each.damage for each in fit.transfers}
    assert damage["zebra"] is not None
    assert damage["zebra"].is_found
    assert 40 <= damage["zebra"].low_step <= 60
    assert damage["zebra"].rise == pytest.approx(0.13, abs=0.05)
    assert damage["heldout"] is not None
    assert not damage["heldout"].is_found
    assert [severity for severity, _ in said(fit, "F10")] == ["ok", "warning"]
    assert "out of domain" in said(fit, "F10")[1][1]


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_noise_alone_is_rarely_called_damage(seeds: tuple[int, ...]) -> None:
    alarms = []
    for rng_seed in range(150):
        rows = transfer_rows({"zebra": falls_by(0.0)}, rng_seed, seeds=seeds, attempts=300)
        found = only(fit_transfer(rows)).damage
        assert found is not None
        alarms.append(found.is_found)
    assert np.mean(alarms) <= 0.12


def test_a_rise_below_two_percent_is_no_damage() -> None:
    rows = transfer_rows({"zebra": lambda size, done: 0.5 + 0.008 * done}, attempts=None)
    found = only(fit_transfer(rows)).damage
    assert found is not None
    assert found.threshold == 0.02
    assert not found.is_found


def test_gains_that_rise_with_size_have_the_exact_permutation_p() -> None:
    (trend,) = fit_transfer(transfer_rows({"gsm8k": more_with_size}, sizes=BILLIONS, attempts=None)).trends
    assert trend.num_models == 5
    assert trend.rank_correlation == pytest.approx(1.0)
    assert trend.p_value == pytest.approx(2 / math.factorial(5))


def test_three_sizes_show_no_trend() -> None:
    assert fit_transfer(transfer_rows({"gsm8k": more_with_size}, sizes=BILLIONS[:3])).trends == ()


def test_runs_that_learn_more_in_domain_gain_more_elsewhere_within_models_too() -> None:
    rows = transfer_rows(
        {"heldout": falls_by(0.1), "gsm8k": falls_by(0.1)}, sizes=BILLIONS[:2], run_sd=0.05, attempts=None
    )
    fit = fit_transfer(rows)
    (coupling,) = fit.couplings
    assert fit.in_domain == ("heldout", "p")
    assert (coupling.benchmark, coupling.num_runs, coupling.num_models) == ("gsm8k", 6, 2)
    assert coupling.rank_correlation == pytest.approx(1.0)
    assert coupling.within_models == pytest.approx(1.0)


def test_a_coupling_that_size_alone_makes_is_gone_within_models() -> None:
    rows = transfer_rows({"heldout": more_with_size, "gsm8k": more_with_size}, sizes=BILLIONS, attempts=5000)
    (coupling,) = fit_transfer(rows).couplings
    assert coupling.rank_correlation > 0.6
    assert coupling.within_models is not None
    assert abs(coupling.within_models) < 0.6


def test_the_benchmark_in_domain_can_be_named() -> None:
    rows = transfer_rows({"gsm8k": falls_by(0.1), "zebra": falls_by(0.0)}, sizes=BILLIONS[:2])
    assert said(fit_transfer(rows), "DOMAIN")
    fit = fit_transfer(rows, in_domain="gsm8k")
    assert fit.in_domain == ("gsm8k", "p")
    assert [coupling.benchmark for coupling in fit.couplings] == ["zebra"]
    with pytest.raises(FitError, match="There are: gsm8k, zebra"):
        fit_transfer(rows, in_domain="heldout")


def test_equal_rows_in_any_order_give_equal_fits() -> None:
    rows = transfer_rows({"heldout": more_with_size, "gsm8k": rises_late}, sizes=BILLIONS)
    assert fit_transfer(rows) == fit_transfer(rows[::-1])


def test_runs_not_scored_before_training_are_named_and_left_out() -> None:
    rows = [row for row in transfer_rows({"gsm8k": falls_by(0.1)}) if (row["trial_id"], row["step"]) != (1, 0)]
    fit = fit_transfer(rows)
    assert [(trial, reason) for trial, _, _, reason in fit.left_out] == [(1, "not scored before training")]
    assert "trial 1." in said(fit, "LEFT_OUT")[0][1]
    assert [run.trial_id for run in only(fit).runs] == [0, 2]


def test_one_run_takes_its_error_from_its_counts_and_is_warned_about() -> None:
    fit = fit_transfer(transfer_rows({"gsm8k": falls_by(0.1)}, seeds=(1,)))
    assert only(fit).gain.se == pytest.approx(math.sqrt((0.6 * 0.4 + 0.5 * 0.5) / 1000), rel=0.05)
    assert said(fit, "SEEDS")[0][0] == "warning"


def test_one_run_without_counts_or_errors_has_no_interval() -> None:
    transfer = only(fit_transfer(transfer_rows({"gsm8k": falls_by(0.1)}, seeds=(1,), attempts=None)))
    assert transfer.gain.se is None
    assert transfer.gain.interval is None


def test_a_benchmark_solved_before_training_has_no_relative_gain() -> None:
    transfer = only(fit_transfer(transfer_rows({"gsm8k": lambda size, done: 0.0})))
    assert transfer.gain.value == 0.0
    assert transfer.relative_gain is None
    assert transfer.damage is None


def test_a_perfect_last_score_is_not_known_without_error() -> None:
    transfer = only(
        fit_transfer(transfer_rows({"gsm8k": lambda size, done: 0.5 * (1 - done)}, seeds=(1,), attempts=40))
    )
    assert transfer.last_loss == 0.0
    assert transfer.runs[0].last_se is not None
    assert transfer.runs[0].last_se > 0.005


def test_runs_of_different_length_are_judged_for_damage_where_all_were_scored() -> None:
    rows = [row for row in transfer_rows({"gsm8k": rises_late}) if not (row["trial_id"] == 0 and row["step"] > 50)]  # type: ignore[operator]
    transfer = only(fit_transfer(rows))
    assert transfer.damage is not None
    assert transfer.damage.end_step == 50
    assert [run.last_step for run in transfer.runs] == [50, 100, 100]


def test_runs_that_differ_in_more_are_not_passed_off_as_repeats() -> None:
    rows = transfer_rows({"gsm8k": falls_by(0.1)})
    for row in rows:
        row["tau"] = 5.0 if row["trial_id"] == 2 else 1.0
    assert "tau" in said(fit_transfer(rows), "F15")[0][1]


def test_every_benchmark_is_put_in_words() -> None:
    fit = fit_transfer(transfer_rows({"gsm8k": more_with_size, "zebra": rises_late}, sizes=BILLIONS))
    assert [sentence.split(" ")[0] for sentence in fit.summary] == ["gsm8k", "zebra"]
    assert "damaged since step" in fit.summary[1]
    assert "rank correlation" in fit.summary[0]


@pytest.mark.parametrize(
    ("rows", "words"), [([], "no evaluations"), (transfer_rows({"b": falls_by(0.1)}, steps=(5, 9)), "step 0")]
)
def test_nothing_to_judge_is_said(rows: Rows, words: str) -> None:
    with pytest.raises(FitError, match=words):
        fit_transfer(rows)


def test_a_rise_that_two_runs_do_not_agree_on_is_no_damage_yet() -> None:
    """Two standard errors are passed easily where the error rests on one difference; its interval knows that."""
    rows = transfer_rows({"zebra": rises_late}, seeds=(1, 2), attempts=None)
    for row in rows:
        if row["trial_id"] == 1 and float(str(row["step"])) > 50:
            row["score"] = float(str(row["score"])) + 0.11 * (float(str(row["step"])) - 50) / 50
    fit = fit_transfer(rows)
    damage = only(fit).damage

    assert damage is not None
    assert damage.rise > 0.02
    assert damage.interval is not None
    assert damage.interval.low < 0 < damage.interval.high
    assert not damage.is_found
    assert "warning" not in [severity for severity, _ in said(fit, "F10")]


def test_sizes_whose_runs_end_apart_are_compared_where_all_were_scored() -> None:
    """Longer runs gain more; that must not look like larger models gaining more."""
    rows = transfer_rows({"gsm8k": falls_by(0.2)}, sizes=BILLIONS, attempts=None, run_sd=0.001)
    last = dict(zip(BILLIONS, (20, 40, 60, 80, 100), strict=True))
    cut = [row for row in rows if float(str(row["step"])) <= last[int(str(row["num_params"]))]]
    fit = fit_transfer(cut)

    assert [each.gain.value for each in fit.transfers] == sorted(each.gain.value for each in fit.transfers)
    assert [trend.at_step for trend in fit.trends] == [20]
    assert fit.trends[0].p_value > 0.05
    ((severity, message),) = said(fit, "ENDS")
    assert severity == "warning"
    assert "sizes are compared at step 20" in message
    assert said(fit_transfer(rows), "ENDS") == []


def test_every_name_of_a_number_fits_its_column() -> None:
    rows = transfer_rows({"gsm8k": more_with_size, "heldout": falls_by(0.1)}, sizes=BILLIONS)
    kept = to_records(fit_transfer(rows), rows, FitSettings(scope="transfer"))
    names = {row["name"] for row in kept.parameters}

    assert "rank_correlation_in_domain_within_models" in names
    assert max(map(len, names)) <= FitParameter.__table__.c.name.type.length  # type: ignore[attr-defined]
