"""How long a fit takes on the layout of the published study: seven sizes, 105 evaluations each.

Beside it, in the same run: CMA-ES and scipy's solver on the published objective, and ScaleRL's grid for one sigmoid.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.fitting_data import SIZES, redrawn, study
from benchmarks.fitting_others import cma_es, general_solver, scalerl_grid
from benchmarks.measure import Timing, print_figure, time_commands, time_function, time_once
from scaling.forecasting.frontier import frontier
from scaling.forecasting.predict import predict
from scaling.inter_model.estimate import Estimate, estimate
from scaling.inter_model.fit import fit_inter_model
from scaling.intra_model.fit import fit_intra_model
from scaling.laws.trajectories import Curve, fit_trajectory
from scaling.observations import Observations, from_rows
from scaling.regression.bootstrap import resample
from scaling.synthetic import Noise, law_rows

IMPORTS = "from scaling.inter_model.fit import fit_inter_model"


def main() -> None:
    observations = study()
    point = point_fits(observations)
    bootstraps(observations)
    whole_reports(observations)
    many_rows()
    sigmoid()
    others(observations, point)


def point_fits(observations: Observations) -> Timing:
    for estimator, limit in (("ols-log", 0.001), ("linear-ls", 0.002)):
        timing = time_function(lambda estimator=estimator: law_of(observations, estimator), runs=51)
        _figure(f"T1  slopes and law, {estimator}", timing, limit)
    first, second = (repr(fit_inter_model(observations, draws=100)) for _ in range(2))
    print_figure("T1  reruns", "the same bytes" if first == second else "differ", target="equal", met=first == second)
    return timing


def law_of(observations: Observations, estimator: str, draws: int = 0) -> Estimate:
    rows = observations.where("train")
    return estimate(observations, rows, estimator=estimator, k_form="saturating", draws=draws)


def bootstraps(observations: Observations) -> None:
    made = law_of(observations, "ols-log")
    for draws, limit in ((1_000, 0.025), (10_000, 0.25)):
        timing = time_function(lambda draws=draws: _bootstrap(made, draws), runs=9)
        _figure(f"T2  {draws:,} block-bootstrap refits of the law", timing, limit)


def whole_reports(observations: Observations) -> None:
    inter = time_function(lambda: fit_inter_model(observations, draws=1000), runs=5)
    intra = time_once(lambda: fit_intra_model(observations))
    forecasts = time_function(
        lambda: (predict(observations, sizes=[*SIZES, 2 * SIZES[-1]]), frontier(observations)), runs=5
    )
    print_figure("T3  inter-model: forms, forecasts, checks, 1,000 draws", inter)
    print_figure("T3  intra-model: four laws on seven runs and their prefixes", f"{intra:.2f} s")
    print_figure("T3  predictions of eight sizes and the frontier", forecasts)
    total = inter.median + intra + forecasts.median
    print_figure("T3  all of it", f"{total:.2f} s", target="1 s", met=total <= 1)
    bare, imports = time_commands([[sys.executable, "-c", "pass"], [sys.executable, "-c", IMPORTS]], runs=5)
    print_figure(
        "T3  import of the fit", imports, target="0.6 s", met=imports.median <= 0.6, beside=f"Python alone {bare}"
    )


def many_rows() -> None:
    seeds, evaluations = range(1, 11), 1429
    layout = study(seeds=seeds, evaluations=evaluations)
    timing = time_function(lambda: law_of(layout, "ols-log"), runs=5)
    _figure(f"T10 slopes and law of {len(layout):,} evaluations", timing, 0.2)
    rows = law_rows(
        dict.fromkeys(SIZES, 0.1), seeds=seeds, steps=range(1, evaluations + 1), noise=Noise(), rng_seed=0
    )  # fmt: skip
    print_figure("    the same rows into arrays, with their digest", f"{time_once(lambda: from_rows(rows)):.2f} s")


def sigmoid() -> None:
    """A run of 16,000 GPU-hours with the asymptote and exponent that ScaleRL reports."""
    x = np.linspace(160, 16_000, 100)
    reward = 0.2 + (0.61 - 0.2) / (1 + (3_000 / x) ** 1.7)
    loss = 1 - reward + 0.005 * np.random.default_rng(0).normal(size=len(x))
    curve = Curve(x, loss, np.ones_like(x), 0.8)
    timing = time_function(lambda: fit_trajectory("sigmoid", curve), runs=21)
    theirs: list[float] = []
    seconds = time_once(lambda: theirs.append(scalerl_grid(curve)))
    ours = fit_trajectory("sigmoid", curve).rss
    _figure("T12 sigmoid", timing, 0.02, beside=f"ScaleRL's grid {seconds:.1f} s, {seconds / timing.median:,.0f} x")
    print_figure(
        "T12 sum of squares of the sigmoid", f"{ours:.4e}", target=f"{theirs[0]:.4e}, the grid's", met=ours <= theirs[0]
    )  # fmt: skip


def others(observations: Observations, point: Timing) -> None:
    """`point`: the same objective fitted here."""
    drawings = [redrawn(observations, np.random.default_rng(seed), noise=Noise()) for seed in range(3)]
    seconds = sorted(time_once(lambda drawn=drawn: cma_es(drawn)) for drawn in drawings)
    solver = time_function(lambda: general_solver(observations), runs=5)
    print_figure("    CMA-ES on the published objective", f"{seconds[1]:.2f} s", beside=_times(seconds[1], point))
    print_figure("    scipy least_squares on the same", solver, beside=_times(solver.median, point))


def _bootstrap(made: Estimate, draws: int) -> object:
    assert made.form is not None
    drawn = resample(made.design, made.law_moments, made.spread, draws=draws, seed=1)
    assert drawn is not None
    return made.form.solve(made.design.sizes, drawn.xx, drawn.xk)


def _figure(label: str, timing: Timing, limit: float, beside: str = "") -> None:
    target = f"{limit * 1000:g} ms"
    print_figure(label, timing, target=target, met=timing.median <= limit, beside=beside)


def _times(seconds: float, point: Timing) -> str:
    return f"{seconds / point.median:,.1f} x the fit here"


if __name__ == "__main__":
    main()
