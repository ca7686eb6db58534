"""How the test loss of one run falls: the laws that a learning curve may follow, each with its own fitter.

    log-linear   L = e^E X^-k                                arXiv 2509.25300
    floor        L = L_inf + B X^-k                          the same above a loss that no training removes
    sigmoid      R = R_0 + (A - R_0) / (1 + (X_mid/X)^B)     arXiv 2510.13786 (ScaleRL), R = 1 - L, R_0 as measured
    s-curve      L = L_inf + D / (1 + (X/X_mid)^B)           the same with a level before training that is fitted too

All are fitted to L itself by weighted least squares, so their sums of squares compare. But for the first they are
linear in one or two numbers once their shape is given: only the shape is searched (variable projection, see
`shape_search`). Losses stay between 0 and 1. Nothing is random.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from scaling.errors import FitError
from scaling.laws.rises import PowerRise, SRise
from scaling.laws.shape_search import Bounds, Points, best_curve
from scaling.observations import FloatArray

MAX_EXPONENT = 5.0  # of X: steeper curves are steps
MID_MARGIN = math.log(100.0)  # how far outside the points an S-curve may have its middle
S_GRID = 31
_EDGE = 2e-6


@dataclass(frozen=True, eq=False)
class Curve:
    """The points of one run: x above 0, test losses, inverse variances, and the loss before training where somebody
    measured it. `scale`: what the inverse variances were divided by to be 1 on average; None where they are not known
    and all are 1.
    """

    x: FloatArray
    loss: FloatArray
    weight: FloatArray
    start: float | None = None
    scale: float | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class TrajectoryFit:
    """A law fitted to one curve, `parameters` by name. `rss` is the weighted sum of squares of L.

    `is_at_edge`: the search ended at the edge of its box, so its shape is no estimate.
    """

    law: str
    parameters: dict[str, float]
    rss: float
    is_at_edge: bool

    def loss(self, x: FloatArray) -> FloatArray:
        """The law's test loss at each x."""
        return TRAJECTORY_LAWS[self.law].loss(self.parameters, x)


@dataclass(frozen=True)
class TrajectoryLaw:
    """A family of curves: its formula, its fitted numbers, `loss(parameters, x)`, and how it is fitted."""

    name: str
    formula: str
    parameters: tuple[str, ...]
    loss: Callable[[dict[str, float], FloatArray], FloatArray]
    fit: Callable[[Curve], TrajectoryFit]


def fit_trajectory(law: str, curve: Curve) -> TrajectoryFit:
    """Fit one law to one curve. FitError for an unknown law, or a curve that has too few points for it."""
    chosen = trajectory_law(law)
    if len(curve) <= len(chosen.parameters):
        raise FitError(f"{len(curve)} evaluations are too few for {law}, which has {len(chosen.parameters)} numbers.")
    if np.ptp(np.log(curve.x)) <= 0:
        raise FitError("all evaluations are at one x, and a curve needs several.")
    return chosen.fit(curve)


def gradient(fit: TrajectoryFit, x: FloatArray) -> FloatArray:
    """Slope of the law in each of its fitted numbers at each x, (points, numbers), by central differences.

    The level before training of a sigmoid is measured and not fitted, so it has no column.
    """
    columns = []
    for name in fitted_names(fit):
        value = fit.parameters[name]
        step = 1e-5 * max(abs(value), 1e-3)
        up, down = (TRAJECTORY_LAWS[fit.law].loss({**fit.parameters, name: value + each}, x) for each in (step, -step))
        columns.append((up - down) / (2 * step))
    return np.stack(columns, axis=1)


def fitted_names(fit: TrajectoryFit) -> list[str]:
    """Its parameters, but for what was measured and not fitted."""
    return [name for name in fit.parameters if (fit.law, name) != ("sigmoid", "R_0")]


def trajectory_law(name: str) -> TrajectoryLaw:
    """The family of this name."""
    if name not in TRAJECTORY_LAWS:
        raise FitError(f"trajectory law {name!r} is unknown. Choose one of {', '.join(TRAJECTORY_LAWS)}.")
    return TRAJECTORY_LAWS[name]


def _fitted(law: str, curve: Curve, values: Sequence[float], is_at_edge: bool) -> TrajectoryFit:
    parameters = _named(law, values)
    gap = TRAJECTORY_LAWS[law].loss(parameters, curve.x) - curve.loss
    return TrajectoryFit(law, parameters, float(curve.weight @ gap**2), is_at_edge)


def _named(law: str, values: Sequence[float] | FloatArray) -> dict[str, float]:
    return dict(zip(TRAJECTORY_LAWS[law].parameters, map(float, values), strict=True))


def _fit_log_linear(curve: Curve) -> TrajectoryFit:
    root, log_x = np.sqrt(curve.weight), np.log(curve.x)
    positive = curve.loss > 0
    if positive.sum() < 2 or np.ptp(log_x[positive]) <= 0:
        raise FitError("a log-linear law needs two evaluations with a wrong answer.")
    weight = (curve.weight * curve.loss**2)[positive]
    slope, level = np.polyfit(log_x[positive], np.log(curve.loss[positive]), 1, w=np.sqrt(weight))

    def residual(theta: FloatArray) -> FloatArray:
        gap: FloatArray = root * (np.exp(theta[0] - theta[1] * log_x) - curve.loss)
        return gap

    def jacobian(theta: FloatArray) -> FloatArray:
        fitted = root * np.exp(theta[0] - theta[1] * log_x)
        return np.stack([fitted, -log_x * fitted], axis=1)

    found = least_squares(residual, [level, -slope], jac=jacobian, method="lm", xtol=1e-12, ftol=1e-12)
    return TrajectoryFit("log-linear", _named("log-linear", found.x), 2 * float(found.cost), is_at_edge=False)


def _fit_floor(curve: Curve) -> TrajectoryFit:
    box = [(math.log(1e-3), math.log(MAX_EXPONENT))]
    reference = float(np.log(curve.x).mean())
    shape, low, high = best_curve(_points(curve), PowerRise(np.log(curve.x) - reference), box, count=61)
    k = math.exp(shape[0])
    return _fitted("floor", curve, (low, high * math.exp(k * reference), k), _is_at_edge(shape, box))


def _fit_s_curve(curve: Curve) -> TrajectoryFit:
    box = _s_box(curve)
    shape, low, high = best_curve(_points(curve), SRise(np.log(curve.x)), box, count=S_GRID)
    return _fitted("s-curve", curve, (low, high, math.exp(shape[0]), shape[1]), _is_at_edge(shape, box))


def _fit_sigmoid(curve: Curve) -> TrajectoryFit:
    start = curve.start
    if start is None:
        raise FitError("the sigmoid law needs the loss before training; evaluate at step 0, or use s-curve.")
    box = _s_box(curve)
    shape, low, _ = best_curve(_points(curve, start), SRise(np.log(curve.x)), box, count=S_GRID)
    values = (1.0 - start, 1.0 - low, math.exp(shape[0]), shape[1])
    return _fitted("sigmoid", curve, values, _is_at_edge(shape, box))


def _points(curve: Curve, start: float | None = None) -> Points:
    return Points(curve.loss, curve.weight, start)


def _s_box(curve: Curve) -> Bounds:
    log_x = np.log(curve.x)
    return [(log_x.min() - MID_MARGIN, log_x.max() + MID_MARGIN), (0.05, MAX_EXPONENT)]


def _is_at_edge(shape: FloatArray, box: Bounds) -> bool:
    return any(min(at - low, high - at) < _EDGE for at, (low, high) in zip(shape, box, strict=True))


def _s_loss(low: float, high: float, middle: float, exponent: float, x: FloatArray) -> FloatArray:
    curve: FloatArray = low + (high - low) / (1.0 + (x / middle) ** exponent)
    return curve


TRAJECTORY_LAWS: dict[str, TrajectoryLaw] = {
    law.name: law
    for law in (
        TrajectoryLaw(
            "log-linear", "e^E X^-k", ("E", "k"),
            lambda p, x: np.exp(p["E"] - p["k"] * np.log(x)),
            _fit_log_linear,
        ),
        TrajectoryLaw(
            "floor", "L_inf + B X^-k", ("L_inf", "B", "k"),
            lambda p, x: p["L_inf"] + p["B"] * x ** -p["k"],
            _fit_floor,
        ),
        TrajectoryLaw(
            "sigmoid", "1 - R_0 - (A - R_0) / (1 + (X_mid/X)^B)", ("R_0", "A", "X_mid", "B"),
            lambda p, x: _s_loss(1 - p["A"], 1 - p["R_0"], p["X_mid"], p["B"], x),
            _fit_sigmoid,
        ),
        TrajectoryLaw(
            "s-curve", "L_inf + D / (1 + (X/X_mid)^B)", ("L_inf", "D", "X_mid", "B"),
            lambda p, x: _s_loss(p["L_inf"], p["L_inf"] + p["D"], p["X_mid"], p["B"], x),
            _fit_s_curve,
        ),
    )
}  # fmt: skip
