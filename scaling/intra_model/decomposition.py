"""The loss of every size taken apart: L(N, X) = L_inf(N) + lambda(N) / (1 + (X / X_0(N))^beta), one beta for all sizes.

Research, not a forecast: the form is a reading of the decomposition in arXiv 2509.25300 (which gives lambda = .3084 and
X_0 = 5861.6 for 72B), and nothing has established it. L_inf is what no training removes, lambda what training can
remove, X_0 where half of that is gone. Each size has its own three numbers; the exponent they share is what several
sizes can pin down and one cannot.

Variable projection twice over: given beta and X_0 the levels are linear, given beta the sizes are independent, so the
search is one number wide, with a search over X_0 inside. Deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import chdtrc

from scaling.admission import admit
from scaling.errors import FitError
from scaling.intra_model.curves import curve_of_run
from scaling.intra_model.results import LossDecomposition, SizeDecomposition
from scaling.laws.rises import FixedExponentRise
from scaling.laws.shape_search import Points, best_curve
from scaling.laws.trajectories import (
    MAX_EXPONENT,
    MID_MARGIN,
    Curve,
    TrajectoryFit,
    fit_trajectory,
    gradient,
)
from scaling.observations import FloatArray, IntArray, Observations
from scaling.regression.bootstrap import Z
from scaling.regression.spread import autocorrelation
from scaling.results import Check, Interval
from scaling.wording import short

MIN_SIZES = 5
MIN_POINTS = 8  # of a size: three numbers and their noise
LOWEST_EXPONENT = 0.1
EXPONENT_GRID = 13
MID_GRID = 61
SHARED_P = 0.01
METHOD = "autocorrelated residuals"


@dataclass(frozen=True, eq=False)
class _Size:
    """All evaluations of one size in the order of x within runs, weighted by the inverse of their variance."""

    num_params: int
    curve: Curve
    run: IntArray

    def __len__(self) -> int:
        return len(self.curve)


def decompose_loss(observations: Observations) -> LossDecomposition:
    """Fit the decomposition to all sizes. FitError below five sizes of eight evaluations each."""
    admitted = admit(observations, "linear-ls")
    sizes = [size for num_params in admitted.sizes() if len(size := _size(admitted, num_params)) >= MIN_POINTS]
    if len(sizes) < MIN_SIZES:
        raise FitError(
            f"{len(sizes)} sizes have {MIN_POINTS} evaluations inside the window, and the decomposition with one "
            f"exponent for all sizes takes {MIN_SIZES}. Add sizes, or fit the law s-curve to single runs."
        )
    own = [fit_trajectory("s-curve", each.curve) for each in sizes]
    sizes = [_at_own_noise(each, fit) for each, fit in zip(sizes, own, strict=True)]
    exponent = _best_exponent(sizes)
    fits = [_at_exponent(each, exponent) for each in sizes]
    inflation = _inflation(sizes, fits)
    errors = _standard_errors(sizes, fits, inflation)
    own_rss = sum(fit_trajectory("s-curve", each.curve).rss for each in sizes)
    shared_rss = sum(fit.rss for fit in fits)
    p_value = float(chdtrc(len(sizes) - 1, max(shared_rss - own_rss, 0.0) / inflation))
    half = None if errors is None else Z * float(errors[-1])
    decomposed = tuple(
        _decomposed(each, fit, None if errors is None else errors[3 * index : 3 * index + 3])
        for index, (each, fit) in enumerate(zip(sizes, fits, strict=True))
    )
    return LossDecomposition(
        x_kind=admitted.x_kind,
        benchmark=admitted.benchmark,
        protocol=admitted.protocol,
        data_sha256=admitted.data_sha256,
        exponent=exponent,
        exponent_interval=None if half is None else _interval(exponent, half),
        shared_p=p_value,
        sizes=decomposed,
        checks=tuple(_checks(decomposed, exponent, p_value)),
        summary=_in_words(decomposed, exponent),
    )


def _size(observations: Observations, num_params: int) -> _Size:
    rows = np.flatnonzero(observations.where("train") & (observations.num_params == num_params))
    runs = [rows[observations.trial_id[rows] == trial] for trial in np.unique(observations.trial_id[rows])]
    curves = [curve_of_run(observations, run) for run in runs]
    x, loss, weight = (np.concatenate([getattr(each, name) for each in curves]) for name in ("x", "loss", "weight"))
    return _Size(num_params, Curve(x, loss, weight), np.repeat(np.arange(len(runs)), [len(run) for run in runs]))


def _at_own_noise(size: _Size, fit: TrajectoryFit) -> _Size:
    """Sizes differ in noise, and the shared exponent belongs to those that know it best."""
    variance = max(fit.rss / (len(size) - 4), 1e-12)
    return replace(size, curve=replace(size.curve, weight=size.curve.weight / variance))


def _best_exponent(sizes: Sequence[_Size]) -> float:
    """Lowest sum of squares over all sizes: a grid in ln beta, then its best stretch to the bottom."""

    def misfit(log_exponent: float) -> float:
        return sum(_at_exponent(size, math.exp(log_exponent)).rss for size in sizes)

    grid = np.linspace(math.log(LOWEST_EXPONENT), math.log(MAX_EXPONENT), EXPONENT_GRID)
    best = int(np.argmin([misfit(each) for each in grid]))
    ends = grid[max(best - 1, 0)], grid[min(best + 1, EXPONENT_GRID - 1)]
    found = minimize_scalar(misfit, bounds=ends, method="bounded", options={"xatol": 1e-6})
    return math.exp(float(found.x))


def _at_exponent(size: _Size, exponent: float) -> TrajectoryFit:
    log_x = np.log(size.curve.x)
    box = [(log_x.min() - MID_MARGIN, log_x.max() + MID_MARGIN)]
    points = Points(size.curve.loss, size.curve.weight)
    shape, low, height = best_curve(points, FixedExponentRise(log_x, exponent), box, count=MID_GRID)
    values = {"L_inf": low, "D": height, "X_mid": math.exp(shape[0]), "B": exponent}
    fit = TrajectoryFit("s-curve", values, 0.0, is_at_edge=bool(min(shape[0] - box[0][0], box[0][1] - shape[0]) < 1e-6))
    return replace(fit, rss=float(size.curve.weight @ (fit.loss(size.curve.x) - size.curve.loss) ** 2))


def _inflation(sizes: Sequence[_Size], fits: Sequence[TrajectoryFit]) -> float:
    residual = [np.sqrt(s.curve.weight) * (s.curve.loss - f.loss(s.curve.x)) for s, f in zip(sizes, fits, strict=True)]
    run = [size.run + 1000 * index for index, size in enumerate(sizes)]
    return autocorrelation(np.concatenate(run), np.concatenate(residual))[1]


def _standard_errors(sizes: Sequence[_Size], fits: Sequence[TrajectoryFit], inflation: float) -> FloatArray | None:
    """Of L_inf, lambda and ln X_0 of each size in turn, and of beta last; None where something is not determined."""
    blocks = []
    for index, (size, fit) in enumerate(zip(sizes, fits, strict=True)):
        if fit.is_at_edge:
            return None
        slopes = np.sqrt(size.curve.weight)[:, None] * gradient(fit, size.curve.x)
        block = np.zeros((len(size), 3 * len(sizes) + 1))
        block[:, 3 * index : 3 * index + 3] = slopes[:, :3] * np.array([1.0, 1.0, fit.parameters["X_mid"]])
        block[:, -1] = slopes[:, 3]
        blocks.append(block)
    jacobian = np.concatenate(blocks)
    scale = np.sqrt(np.sum(jacobian**2, axis=0))
    if np.any(scale <= 0) or np.linalg.cond(jacobian / scale) > 1e6:
        return None
    covariance = np.linalg.inv((jacobian / scale).T @ (jacobian / scale)) * inflation
    errors: FloatArray = np.sqrt(np.diag(covariance)) / scale
    return errors


def _decomposed(size: _Size, fit: TrajectoryFit, errors: FloatArray | None) -> SizeDecomposition:
    low, height, middle = (fit.parameters[name] for name in ("L_inf", "D", "X_mid"))
    halves = None if errors is None else (Z * errors).tolist()
    return SizeDecomposition(
        num_params=size.num_params,
        num_evaluations=len(size),
        floor=low,
        floor_interval=None if halves is None or low <= 0 else _interval(low, halves[0]),
        removable=height,
        removable_interval=None if halves is None or low <= 0 else _interval(height, halves[1]),
        half_x=middle,
        half_x_interval=None
        if halves is None
        else Interval(middle * math.exp(-halves[2]), middle * math.exp(min(halves[2], 700.0)), METHOD),
        x_max=float(size.curve.x.max()),
        is_at_edge=fit.is_at_edge,
    )


def _interval(centre: float, half: float) -> Interval:
    return Interval(max(centre - half, 0.0), centre + half, METHOD)


def _checks(sizes: Sequence[SizeDecomposition], exponent: float, p_value: float) -> list[Check]:
    found = [
        Check(
            "RESEARCH", "note", None, None, None,
            "The decomposition is a reading of a published form that nothing has established: describe with it, "
            "forecast nothing.",
        )
    ]  # fmt: skip
    if p_value < SHARED_P:
        message = (
            "One exponent for all sizes fits worse than an exponent for each by more than noise: compare lambda, X_0 "
            "and L_inf between sizes with care."
        )
        found.append(Check("SHARED", "warning", p_value, SHARED_P, None, message))
    else:
        found.append(Check("SHARED", "ok", p_value, SHARED_P, None, "One exponent describes all sizes."))
    if min(exponent / LOWEST_EXPONENT, MAX_EXPONENT / exponent) < 1.001:
        found.append(Check("F07", "warning", exponent, None, None, "beta stopped at the edge of its search box."))
    for size in sizes:
        if size.is_at_edge or size.half_x > size.x_max:
            message = (
                f"X_0 of {short(size.num_params)} lies beyond its last evaluation: its L_inf and lambda are not seen "
                "apart. Train it longer before reading either."
            )
            found.append(Check("F07", "warning", size.half_x, size.x_max, size.num_params, message))
    return found


def _in_words(sizes: Sequence[SizeDecomposition], exponent: float) -> tuple[str, ...]:
    first, last = sizes[0], sizes[-1]
    ends = f"from {short(first.num_params)} to {short(last.num_params)}"
    return (
        f"With beta = {exponent:.2f} for all sizes, {ends} L_inf goes from {first.floor:.3f} to {last.floor:.3f}, "
        f"lambda from {first.removable:.3f} to {last.removable:.3f} and X_0 from {first.half_x:.3g} to "
        f"{last.half_x:.3g}.",
    )
