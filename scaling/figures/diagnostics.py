"""What a law leaves over, and what its parameters could be instead: the panels by which one decides to believe it.

Left: residuals of ln L against x, where curvature shows (F01, F02). Middle: how they correlate from one evaluation to
the next, which is what makes naive intervals too narrow. Right: bootstrap draws of the law's two parameters together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.axes import X_UNIT
from scaling.figures.labels import GREY, Colour, amount, label_ends, set_ticks
from scaling.figures.sheet import ordered_colours, panels
from scaling.inter_model.results import InterModelFit, Parameter
from scaling.observations import FloatArray, Observations
from scaling.wording import short

BINS = 12  # of ln x, for the line through the residuals of a size
LAGS = 20
SHOWN_DRAWS = 1000


def draw_diagnostics(fit: InterModelFit, observations: Observations, *, title: str, caveats: Sequence[str]) -> Figure:
    """The figure itself, for a notebook or a test."""
    summary = "Residuals of ln L about the law, their correlation along a run, and what the parameters could be instead"
    places = ((0.072, 0.35), (0.51, 0.16), (0.745, 0.235))
    figure, (left, middle, right) = panels(title=title, summary=summary, caveats=caveats, places=places)
    colours = ordered_colours([size.num_params for size in fit.sizes])
    residual = _residuals(fit, observations)
    _draw_residuals(left, fit, observations, residual, colours)
    _draw_autocorrelation(middle, fit, observations, residual, colours)
    _draw_parameters(right, fit)
    return figure


def _residuals(fit: InterModelFit, observations: Observations) -> FloatArray:
    """Of every row of the observations; NaN outside the estimation."""
    by_evaluation = {point.evaluation_id: point.residual for point in fit.points}
    found = [by_evaluation.get(int(each)) for each in observations.evaluation_id]
    return np.array([np.nan if each is None else each for each in found])


def _draw_residuals(
    axes: Axes, fit: InterModelFit, observations: Observations, residual: FloatArray, colours: Mapping[int, Colour]
) -> None:
    """Points, and the mean of each size in stretches of ln x."""
    ends = []
    for size in fit.training_sizes:
        mine = (observations.num_params == size.num_params) & ~np.isnan(residual)
        x, gap = observations.x[mine], residual[mine]
        colour = colours[size.num_params]
        axes.plot(x, gap, ".", color=colour, markersize=2.5, alpha=0.35, zorder=2)
        centres, means = _binned(np.log(x), gap)
        axes.plot(np.exp(centres), means, color=colour, linewidth=1.6, zorder=3)
        ends.append((float(means[-1]), short(size.num_params), colour))
    axes.axhline(0.0, color=GREY, linewidth=0.8, zorder=1)
    axes.set_xscale("log")
    set_ticks(axes, "x", (1, 2, 5), amount)
    label_ends(axes, ends)
    axes.set_title("Residuals: a bend is a law that is not straight")
    axes.set_xlabel(f"{X_UNIT[fit.x_kind]} (log)")
    axes.set_ylabel("ln L, measured - law")


def _binned(log_x: FloatArray, gap: FloatArray) -> tuple[FloatArray, FloatArray]:
    edges = np.linspace(log_x.min(), log_x.max() + 1e-9, BINS + 1)
    place = np.clip(np.searchsorted(edges, log_x, side="right") - 1, 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    held = count > 0
    return tuple(np.bincount(place, each, minlength=BINS)[held] / count[held] for each in (log_x, gap))  # type: ignore[return-value]


def _draw_autocorrelation(
    axes: Axes, fit: InterModelFit, observations: Observations, residual: FloatArray, colours: Mapping[int, Colour]
) -> None:
    for size in fit.training_sizes:
        lagged = np.array([_at_lag(fit, observations, residual, size.num_params, lag) for lag in range(LAGS + 1)])
        known = ~np.isnan(lagged)
        axes.plot(np.flatnonzero(known), lagged[known], color=colours[size.num_params], linewidth=1.2)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_ylim(-1.0, 1.02)
    axes.set_title("Correlation of residuals")
    axes.set_xlabel("evaluations apart")


def _at_lag(fit: InterModelFit, observations: Observations, residual: FloatArray, num_params: int, lag: int) -> float:
    """Over the runs of one size; NaN where no run is that long."""
    total = products = 0.0
    pairs = 0
    for run in next(size for size in fit.sizes if size.num_params == num_params).runs:
        gaps = residual[(observations.trial_id == run.trial_id) & ~np.isnan(residual)]
        total += float(gaps @ gaps)
        products += float(gaps[lag:] @ gaps[: len(gaps) - lag]) if lag < len(gaps) else 0.0
        pairs += max(len(gaps) - lag, 0)
    return products / total if pairs and total > 0 else float("nan")


def _draw_parameters(axes: Axes, fit: InterModelFit) -> None:
    """The first two parameters of the law against each other, draw by draw: a ridge is what data cannot tell apart."""
    pair = [each for each in (fit.law.parameters if fit.law else ()) if each.draws is not None][:2]
    if len(pair) < 2:
        axes.set_axis_off()
        reason = "No law with two parameters," if fit.law is None or len(fit.law.parameters) < 2 else "No draws,"
        axes.text(0.5, 0.5, f"{reason}\nso nothing to set against each other", ha="center", va="center", color=GREY)
        return
    first, second = (_drawn(each) for each in pair)
    held = np.isfinite(first) & np.isfinite(second)
    axes.plot(second[held], first[held], ".", color="#31688e", markersize=3, alpha=0.3)
    axes.plot([pair[1].value], [pair[0].value], "o", color="black", markersize=6)
    for place, parameter in ((axes.axvspan, pair[1]), (axes.axhspan, pair[0])):
        if parameter.interval is not None:
            place(parameter.interval.low, parameter.interval.high, color="#31688e", alpha=0.08, linewidth=0)
    if np.all(second[held] > 0) and pair[1].unit == "parameters":
        axes.set_xscale("log")
        axes.set_xlim(*np.quantile(second[held], [0.002, 0.998]) * np.array([0.8, 1.25]))
        set_ticks(axes, "x", (1, 2, 5), short)
    axes.set_ylim(*_span(first[held]))
    axes.set_title("Draws of the law")
    axes.set_xlabel(pair[1].name)
    axes.set_ylabel(pair[0].name)


def _drawn(parameter: Parameter) -> FloatArray:
    assert parameter.draws is not None
    return np.frombuffer(parameter.draws, dtype="<f8")[:SHOWN_DRAWS].astype(np.float64)


def _span(values: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.002, 0.998])
    room = 0.1 * (high - low) or abs(high) or 1.0
    return float(low - room), float(high + room)
