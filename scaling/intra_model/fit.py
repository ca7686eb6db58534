"""Can the beginning of a run tell its end? Every law on every prefix of every run, held against what came.

One cut can be lucky: a straight line in ln X through an S-curve is right about the end once, where it crosses from too
high to too low. So all cuts are made, and the whole row of errors is the result. What is forecast is the mean loss over
the last tenth of the run; a prefix never holds any of it. Pure and deterministic; writes and prints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scaling.admission import admit
from scaling.errors import FitError
from scaling.intra_model.checks import intra_checks, summarise
from scaling.intra_model.curves import curve_of_run
from scaling.intra_model.parameters import parameter_intervals
from scaling.intra_model.prefixes import END_SHARE, end_length, fitted_or_none, prefix_forecasts
from scaling.intra_model.results import Coverage, IntraModelFit, LawOnRun, RunTrajectories
from scaling.laws.trajectories import TRAJECTORY_LAWS, Curve, TrajectoryFit, trajectory_law
from scaling.observations import IntArray, Observations
from scaling.regression.spread import autocorrelation

PREFIXES = tuple(percent / 100 for percent in range(10, 91, 5))
MIN_PREFIX = 5
EXACT = 1e-28  # mean square of L: rounding, which must not decide between laws


def fit_intra_model(
    observations: Observations, *, laws: Sequence[str] = tuple(TRAJECTORY_LAWS), prefixes: Sequence[float] = PREFIXES
) -> IntraModelFit:
    """Fit every law to every run that is long enough, and to every prefix of it.

    FitError where no run is: ten evaluations leave a prefix of five and an end. A law that a run cannot have has
    no row: the sigmoid where nobody scored before training.
    """
    for law in laws:
        trajectory_law(law)
    admitted = admit(observations, "linear-ls")
    rows = np.flatnonzero(admitted.where("train"))
    runs, left_out = [], []
    for trial in np.unique(admitted.trial_id[rows]):
        mine = rows[admitted.trial_id[rows] == trial]
        if len(mine) < 2 * MIN_PREFIX:
            left_out.append((int(trial), f"{len(mine)} evaluations; the shortest that can be cut has {2 * MIN_PREFIX}"))
        else:
            runs.append(_run(admitted, mine, laws, prefixes))
    if not runs:
        raise FitError(
            f"no run has {2 * MIN_PREFIX} evaluations inside the window, and a shorter one has no beginning to tell "
            "its end from. Evaluate more often, or widen the window with --from."
        )
    ordered = sorted(runs, key=lambda run: (run.num_params, run.model, run.seed, run.trial_id))
    coverage = tuple(_coverage(law, ordered) for law in laws)
    return IntraModelFit(
        x_kind=admitted.x_kind,
        benchmark=admitted.benchmark,
        protocol=admitted.protocol,
        from_x=admitted.from_x,
        to_x=admitted.to_x,
        laws=tuple(laws),
        data_sha256=admitted.data_sha256,
        num_points=sum(run.num_evaluations for run in runs),
        runs=tuple(ordered),
        left_out=tuple(left_out),
        coverage=coverage,
        checks=intra_checks(admitted, ordered, coverage),
        summary=summarise(ordered, coverage),
    )


def _run(observations: Observations, rows: IntArray, laws: Sequence[str], prefixes: Sequence[float]) -> RunTrajectories:
    curve = curve_of_run(observations, rows)
    fitted = [fit for law in laws if (fit := fitted_or_none(law, curve)) is not None]
    best = min(fitted, key=lambda fit: fit.rss)
    r1, inflation = _correlation(curve, best)
    scored = [(fit, _aicc(fit, len(curve), inflation)) for fit in fitted]
    lowest = min((aicc for _, aicc in scored if aicc is not None), default=None)
    on_run = [
        LawOnRun(
            fit=fit,
            aicc=aicc,
            delta_aicc=None if aicc is None or lowest is None else aicc - lowest,
            intervals=parameter_intervals(curve, fit),
        )
        for fit, aicc in scored
    ]
    cuts = sorted({max(round(share * len(curve)), MIN_PREFIX) for share in prefixes if share < 1 - END_SHARE / 2})
    last = len(curve) - end_length(len(curve))
    forecasts = prefix_forecasts(observations, rows, laws, [cut for cut in cuts if cut <= last])
    first = int(rows[0])
    return RunTrajectories(
        trial_id=int(observations.trial_id[first]),
        model=observations.model[first],
        num_params=int(observations.num_params[first]),
        seed=int(observations.seed[first]),
        num_evaluations=len(curve),
        autocorrelation=r1,
        laws=tuple(sorted(on_run, key=lambda each: math.inf if each.aicc is None else each.aicc)),
        forecasts=tuple(forecasts),
    )


def _coverage(law: str, runs: Sequence[RunTrajectories]) -> Coverage:
    judged = [each.covered for run in runs for each in run.forecasts if each.law == law and each.covered is not None]
    return Coverage(law, sum(judged), len(judged))


def _correlation(curve: Curve, fit: TrajectoryFit) -> tuple[float | None, float]:
    residual = np.sqrt(curve.weight) * (curve.loss - fit.loss(curve.x))
    return autocorrelation(np.zeros(len(curve), dtype=np.int64), residual)


def _aicc(fit: TrajectoryFit, points: int, inflation: float) -> float | None:
    effective, count = points / inflation, len(fit.parameters) + 1
    if effective - count - 1 <= 0:
        return None
    return effective * math.log(max(fit.rss / points, EXACT)) + 2 * count * effective / (effective - count - 1)
