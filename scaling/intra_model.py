"""Can the beginning of a run tell its end? Every law on every prefix of every run, held against what came.

One cut can be lucky: a straight line in ln X through an S-curve is right about the end once, where it crosses from too
high to too low. So all cuts are made, and the whole row of errors is the result. What is forecast is the mean loss over
the last tenth of the run; a prefix never holds any of it. Pure and deterministic; writes and prints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.admission import admit
from scaling.errors import FitError
from scaling.intervals import autocorrelation, t_quantile
from scaling.observations import FloatArray, IntArray, Observations
from scaling.results import Interval
from scaling.trajectory_laws import TRAJECTORY_LAWS, Curve, TrajectoryFit, fit_trajectory, gradient, trajectory_law

PREFIXES = tuple(percent / 100 for percent in range(10, 91, 5))
END_SHARE = 0.1  # of a run: its end, which is forecast
MIN_PREFIX = 5


@dataclass(frozen=True)
class PrefixForecast:
    """The end of a run, forecast from its first `share`, `shots` evaluations: none of those that it is scored on."""

    law: str
    share: float
    shots: int
    from_x: float
    at_x: float
    predicted: float
    interval: Interval | None
    actual: float
    actual_se: float | None
    is_at_edge: bool

    @property
    def relative_error(self) -> float | None:
        """predicted / actual - 1; None for a run that ends without a wrong answer."""
        return self.predicted / self.actual - 1.0 if self.actual > 0 else None

    @property
    def covered(self) -> bool | None:
        """Whether the interval holds what came; None without one."""
        return None if self.interval is None else self.interval.low <= self.actual <= self.interval.high

    @property
    def label(self) -> str:
        """Its mode, as it is printed and stored: so many evaluations of the run itself were seen."""
        return f"kshot({self.shots})"


@dataclass(frozen=True)
class LawOnRun:
    """One law on a whole run. `aicc` counts its evaluations for less, as far as their residuals are correlated."""

    fit: TrajectoryFit
    aicc: float | None
    delta_aicc: float | None


@dataclass(frozen=True)
class RunTrajectories:
    """A run: every law on all of it, the best by AICc first, and every law on every prefix of it."""

    trial_id: int
    model: str
    num_params: int
    seed: int
    num_evaluations: int
    autocorrelation: float | None
    laws: tuple[LawOnRun, ...]
    forecasts: tuple[PrefixForecast, ...]


@dataclass(frozen=True)
class IntraModelFit:
    """What the beginnings of runs say of their ends."""

    x_kind: str
    benchmark: str
    protocol: str
    from_x: float | None
    to_x: float | None
    laws: tuple[str, ...]
    data_sha256: str
    num_points: int
    runs: tuple[RunTrajectories, ...]
    left_out: tuple[tuple[int, str], ...]


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
    )


def _run(observations: Observations, rows: IntArray, laws: Sequence[str], prefixes: Sequence[float]) -> RunTrajectories:
    curve = _curve(observations, rows)
    fitted = [fit for law in laws if (fit := _fitted(law, curve)) is not None]
    best = min(fitted, key=lambda fit: fit.rss)
    r1, inflation = _correlation(curve, best)
    scored = [(fit, _aicc(fit, len(curve), inflation)) for fit in fitted]
    lowest = min((aicc for _, aicc in scored if aicc is not None), default=None)
    on_run = [LawOnRun(fit, aicc, None if aicc is None or lowest is None else aicc - lowest) for fit, aicc in scored]
    cuts = sorted({max(round(share * len(curve)), MIN_PREFIX) for share in prefixes if share < 1 - END_SHARE / 2})
    last = len(curve) - _end_length(curve)
    forecasts = [
        made
        for law in laws
        for cut in cuts
        if cut <= last and (made := _forecast(law, curve, cut, inflation)) is not None
    ]
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


def _curve(observations: Observations, rows: IntArray) -> Curve:
    """Points with binomial weights where there are counts, at their own smooth level; else with equal ones."""
    x, loss, attempts = observations.x[rows], observations.loss[rows], observations.attempts[rows]
    before = observations.where("baseline") & (observations.trial_id == observations.trial_id[rows[0]])
    start = float(observations.loss[before][0]) if before.any() else None
    equal = Curve(x, loss, np.ones_like(loss), start)
    if np.isnan(attempts).any():
        return equal
    level = np.clip(fit_trajectory("log-linear", equal).loss(x), 1 / (attempts + 1), 1 - 1 / (attempts + 1))
    weight = attempts / (level * (1 - level))
    return Curve(x, loss, weight / weight.mean(), start)


def _fitted(law: str, curve: Curve) -> TrajectoryFit | None:
    """None where this curve cannot have this law: too few points, no score before training."""
    try:
        return fit_trajectory(law, curve)
    except FitError:
        return None


def _correlation(curve: Curve, fit: TrajectoryFit) -> tuple[float | None, float]:
    residual = np.sqrt(curve.weight) * (curve.loss - fit.loss(curve.x))
    return autocorrelation(np.zeros(len(curve), dtype=np.int64), residual)


def _aicc(fit: TrajectoryFit, points: int, inflation: float) -> float | None:
    effective, count = points / inflation, len(fit.parameters) + 1
    if effective - count - 1 <= 0 or fit.rss <= 0:
        return None
    return effective * math.log(fit.rss / points) + 2 * count * effective / (effective - count - 1)


def _end_length(curve: Curve) -> int:
    return max(math.ceil(END_SHARE * len(curve)), 1)


def _forecast(law: str, curve: Curve, cut: int, inflation: float) -> PrefixForecast | None:
    seen = curve.first(cut)
    fit = _fitted(law, seen)
    if fit is None:
        return None
    end = slice(len(curve) - _end_length(curve), len(curve))
    share = curve.weight[end] / curve.weight[end].sum()
    predicted = float(share @ np.clip(fit.loss(curve.x[end]), 0.0, 1.0))
    free = cut / inflation - len(fit.parameters)
    variance = fit.rss / (cut - len(fit.parameters)) * inflation
    actual_variance = variance / float(curve.weight[end].sum())
    interval = None
    spread = _prediction_variance(fit, seen, curve.x[end], share)
    if spread is not None and free >= 1 and not fit.is_at_edge:
        half = t_quantile(free) * math.sqrt(variance * spread + actual_variance)
        interval = Interval(
            max(predicted - half, 0.0), min(predicted + half, 1.0), "prediction, autocorrelated residuals"
        )
    return PrefixForecast(
        law=law,
        share=cut / len(curve),
        shots=cut,
        from_x=float(curve.x[cut - 1]),
        at_x=float(np.exp(share @ np.log(curve.x[end]))),
        predicted=predicted,
        interval=interval,
        actual=float(share @ curve.loss[end]),
        actual_se=math.sqrt(actual_variance) if variance > 0 else None,
        is_at_edge=fit.is_at_edge,
    )


def _prediction_variance(fit: TrajectoryFit, seen: Curve, at: FloatArray, share: FloatArray) -> float | None:
    """Variance of the mean forecast in units of that of a point of weight 1; None where a number is not determined."""
    jacobian = np.sqrt(seen.weight)[:, None] * gradient(fit, seen.x)
    information = jacobian.T @ jacobian
    scale = np.sqrt(np.diag(information))
    if np.any(scale <= 0) or np.linalg.cond(information / np.outer(scale, scale)) > 1e12:
        return None
    toward = share @ gradient(fit, at)
    return float(toward @ np.linalg.solve(information, toward))
