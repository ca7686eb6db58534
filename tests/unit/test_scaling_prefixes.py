"""Forecasts from prefixes: made of the prefix alone, as sure as they say, and their failures counted."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console

from orchestrator.screens.fits.intra_model import MANY_RUNS, render
from scaling.intra_model.fit import fit_intra_model
from scaling.intra_model.records import to_records
from scaling.intra_model.results import IntraModelFit
from scaling.laws.trajectories import TRAJECTORY_LAWS
from scaling.observations import from_rows
from scaling.settings import FitSettings
from scaling.synthetic import Noise, Scoring, law_rows

S_CURVE = {"L_inf": 0.41, "D": 0.31, "X_mid": 5861.6, "B": 1.0}


def rows(
    rng_seed: int = 0, *, seeds: int = 1, noise: Noise | None = None, counts: bool = True
) -> list[dict[str, object]]:
    return law_rows(
        {7_000_000: 0.1}, seeds=range(seeds), steps=range(61), noise=noise or Noise(point_sd=0.0), rng_seed=rng_seed,
        scoring=Scoring(problems=500, samples_per_problem=4) if counts else None,
    )  # fmt: skip


def s_curves(seeds: Sequence[int]) -> list[dict[str, object]]:
    made = []
    for row in law_rows({7_000_000: 0.1}, seeds=seeds, steps=range(1, 106), noise=Noise(0.0), rng_seed=0):
        loss = float(TRAJECTORY_LAWS["s-curve"].loss(S_CURVE, np.array([float(str(row["samples"]))]))[0])
        made.append({**row, "score": 1 - loss + 0.002 * np.random.default_rng(len(made)).normal()})
    return made


def page(fit: IntraModelFit) -> str:
    console = Console(file=io.StringIO(), width=100)
    render(fit, caveats=(), console=console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def checks(fit: IntraModelFit, code: str) -> list[tuple[str, str]]:
    return [(check.severity, check.message) for check in fit.checks if check.code == code]


@pytest.mark.parametrize("counts", [True, False])
def test_what_came_after_a_prefix_changes_nothing_but_what_it_is_scored_on(counts: bool) -> None:
    made = rows(noise=Noise(0.02), counts=counts)
    later = [
        {**row, "score": 0.5, "successes": 1000 if counts else None} if int(str(row["step"])) > 30 else row
        for row in made
    ]

    before, after = (
        fit_intra_model(from_rows(which), prefixes=[0.25, 0.5]).runs[0].forecasts for which in (made, later)
    )

    assert [each.predicted for each in before] == [each.predicted for each in after]
    assert [each.interval for each in before] == [each.interval for each in after]
    assert {each.actual for each in after} == {0.5}
    assert all(each.actual != 0.5 for each in before)


def test_the_end_is_the_plain_mean_of_the_last_tenth() -> None:
    made = rows()
    losses = [1 - float(str(row["score"])) for row in made]

    (run,) = fit_intra_model(from_rows(made)).runs

    assert all(each.actual == pytest.approx(float(np.mean(losses[-6:]))) for each in run.forecasts)


def test_intervals_of_a_true_law_hold_the_end_with_correlated_noise_too() -> None:
    covered: list[bool] = []
    for rng_seed in range(60):
        made = rows(rng_seed, noise=Noise(0.01, autocorrelation=0.7), counts=False)
        fit = fit_intra_model(from_rows(made), laws=["log-linear"], prefixes=[0.3, 0.5, 0.7])
        covered += [each.covered for each in fit.runs[0].forecasts if each.covered is not None]

    assert len(covered) == 180
    assert np.mean(covered) > 0.85


def test_intervals_that_do_not_hold_what_came_are_counted_and_warned_about() -> None:
    straight, bent = fit_intra_model(from_rows(rows(seeds=3))), fit_intra_model(from_rows(s_curves(range(3))))

    for fit in (straight, bent):
        for each in fit.coverage:
            judged = [f.covered for run in fit.runs for f in run.forecasts if f.law == each.law and f.interval]
            assert (each.held, each.made) == (sum(map(bool, judged)), len(judged))
    assert ("warning", True) in [(level, "log-linear: 95%" in said) for level, said in checks(bent, "COVERAGE")]
    assert "warning" not in [level for level, said in checks(straight, "COVERAGE") if said.startswith("log-linear")]
    assert any("its intervals hold" in sentence for sentence in bent.summary)
    kept = to_records(bent, s_curves(range(3)), FitSettings(scope="intra-model", x="samples"))
    shares = {row["law"]: row["estimate"] for row in kept.parameters if row["name"] == "coverage"}
    assert shares == {each.law: each.share for each in bent.coverage if each.made}


def test_a_law_without_the_score_before_training_says_once_what_it_needs() -> None:
    fit = fit_intra_model(from_rows(s_curves(range(2))))

    ((severity, said),) = checks(fit, "START")
    assert severity == "note"
    assert "sigmoid needs the score before training, which all 2 runs lack" in said
    assert not any("sigmoid" in message for _, message in checks(fit, "F04"))
    assert "sigmoid" not in page(fit).split("START")[0]
    assert checks(fit_intra_model(from_rows(rows())), "START") == []


def test_numbers_of_a_law_lie_in_their_intervals_and_are_on_the_page() -> None:
    held = []
    for rng_seed in range(40):
        made = rows(rng_seed, noise=Noise(0.01, autocorrelation=0.5), counts=False)
        (run,) = fit_intra_model(from_rows(made), laws=["log-linear"]).runs
        interval = run.laws[0].intervals["k"]
        assert interval is not None
        held.append(interval.low <= 0.1 <= interval.high)

    assert np.mean(held) > 0.85
    assert "trial 1: log-linear  E " in page(fit_intra_model(from_rows(rows()), laws=["log-linear"]))


def test_many_runs_are_summed_up_by_model() -> None:
    few, many = (fit_intra_model(from_rows(rows(seeds=count)), laws=["log-linear"]) for count in (3, MANY_RUNS + 1))

    assert len(page(few).splitlines()) > len(few.runs) * 3
    assert len(page(many).splitlines()) < 30
    assert f"All {MANY_RUNS + 1} runs one by one: --json" in page(many)
    assert "trial" not in page(many).splitlines()[1]


def test_a_seed_that_is_not_known_is_not_a_number() -> None:
    imported = [{**row, "seed": None} for row in rows()]

    (line,) = [line for line in page(fit_intra_model(from_rows(imported))).splitlines() if line.startswith("    1  ")]
    assert line.split()[2] == "-"
