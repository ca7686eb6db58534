"""The right panel: slope k of every size, the fitted k(N), its rivals, and the forecast of the largest size."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.interpolate import PchipInterpolator

from scaling.figures.labels import GREY, Colour, label_ends
from scaling.inter_model.results import InterModelFit, SizeFit
from scaling.laws.k_forms import curve
from scaling.observations import FloatArray
from scaling.wording import short

SLANTED_ROOM, UPRIGHT_ROOM = 0.055, 0.13  # of the width of the axes, for the name of a size


def draw_slopes(axes: Axes, fit: InterModelFit, colours: Mapping[int, Colour]) -> None:
    """Fill the axes; `colours` maps each size to its colour."""
    sizes = np.array([size.num_params for size in fit.sizes], dtype=np.float64)
    low, high = sizes.min() / 1.6, sizes.max() * 1.6
    grid = np.exp(np.linspace(math.log(low), math.log(high), 200))
    ends = _draw_curves(axes, fit, grid)
    for size in fit.sizes:
        _draw_slope(axes, size, colours[size.num_params])
    _draw_forecast(axes, fit, colours)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    bottom, top = _slope_range(fit)
    axes.set_ylim(bottom, top)
    _name_sizes(axes, sizes)
    axes.set_xticks([], minor=True)
    axes.axhline(0.0, color="#cccccc", linewidth=0.8, zorder=0)
    label_ends(axes, ends)
    axes.set_title("Learning efficiency k by model size")
    axes.set_xlabel("model size N, non-embedding parameters (log)")
    axes.set_ylabel("k in  test loss = e$^E$ X$^{-k}$")
    _explain(axes, fit)


def _name_sizes(axes: Axes, sizes: FloatArray) -> None:
    """A tick for every size, and a name where it does not run into the one before."""
    low, high = np.log(axes.get_xlim())
    places = (np.log(sizes) - low) / (high - low)  # shares of the width
    is_slanted = len(sizes) > 5
    room = SLANTED_ROOM if is_slanted else UPRIGHT_ROOM
    names, last = [], -1.0
    for place, size in zip(places, sizes, strict=True):
        is_free = place - last >= room
        names.append(short(size) if is_free else "")
        last = place if is_free else last
    axes.set_xticks(sizes.tolist(), names, rotation=35 if is_slanted else 0)


def _draw_curves(axes: Axes, fit: InterModelFit, grid: FloatArray) -> list[tuple[float, str, Colour]]:
    ends: list[tuple[float, str, Colour]] = []
    chosen = fit.law.k_form if fit.law else None
    for form in fit.forms:
        if form.k_form in ("free", chosen):
            continue
        k = curve(form.k_form, form.theta, grid)
        axes.plot(grid, k, color="#aaaaaa", linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1)
        ends.append((float(k[-1]), form.k_form, GREY))
    if fit.law is not None:
        k = curve(fit.law.k_form, fit.law.theta, grid)
        axes.plot(grid, k, color="black", linewidth=1.8, zorder=2)
        ends.append((float(k[-1]), fit.law.k_form, "black"))
        _draw_band(axes, fit, grid)
    return ends


def _draw_band(axes: Axes, fit: InterModelFit, grid: FloatArray) -> None:
    """The law's 95% interval: known at the sizes, and drawn through them as a curve that turns nowhere in between."""
    known = [(size.num_params, size.k_law_interval) for size in fit.sizes if size.k_law_interval is not None]
    if len(known) < 2:
        return
    at = np.log([num_params for num_params, _ in known])
    inside = grid[(np.log(grid) >= at[0]) & (np.log(grid) <= at[-1])]
    log_n = np.unique(np.concatenate([at, np.log(inside)]))
    low = PchipInterpolator(at, [each.low for _, each in known])(log_n)
    high = PchipInterpolator(at, [each.high for _, each in known])(log_n)
    axes.fill_between(np.exp(log_n), low, high, color="black", alpha=0.08, linewidth=0)


def _draw_slope(axes: Axes, size: SizeFit, colour: Colour) -> None:
    if size.k_interval is not None:
        axes.plot(
            [size.num_params] * 2, [size.k_interval.low, size.k_interval.high], color=colour, linewidth=2, zorder=3
        )
    if len(size.runs) > 1:
        axes.plot(
            [size.num_params] * len(size.runs), [run.k for run in size.runs], color=colour, marker="_", markersize=9,
            linestyle="none", zorder=3,
        )  # fmt: skip
    face = "white" if size.held_out else colour
    axes.plot(size.num_params, size.k, marker="o", markersize=8, color=colour, markerfacecolor=face, zorder=4)


def _draw_forecast(axes: Axes, fit: InterModelFit, colours: Mapping[int, Colour]) -> None:
    for forecast in fit.forecasts:
        if forecast.quantity != "k" or forecast.mode != "zero_shot":
            continue
        x, colour = forecast.target_size * 1.17, colours[forecast.target_size]
        if forecast.interval is not None:
            axes.plot(
                [x, x], [forecast.interval.low, forecast.interval.high], color=colour, linewidth=1.2, zorder=3,
                linestyle=(0, (3, 2)),
            )  # fmt: skip
        axes.plot(x, forecast.predicted, marker="D", markersize=8, color=colour, markerfacecolor="white", zorder=5)


def _slope_range(fit: InterModelFit) -> tuple[float, float]:
    """Limits that show every slope and interval, and do not let one wild interval flatten the rest."""
    k = [size.k for size in fit.sizes] + [each.predicted for each in fit.forecasts if each.quantity == "k"]
    edges = list(k)
    for size in fit.sizes:
        if size.k_interval is not None:
            edges += [size.k_interval.low, size.k_interval.high]
    for forecast in fit.forecasts:
        if forecast.quantity == "k" and forecast.interval is not None:
            edges += [forecast.interval.low, forecast.interval.high]
    reach = max(*k, 0.0) - min(*k, 0.0) or 1.0
    low = max(min(*edges, 0.0), min(*k, 0.0) - 0.6 * reach)
    high = min(max(edges), max(*k, 0.0) + 0.6 * reach)
    return low - 0.03 * reach, high + 0.08 * reach


def _explain(axes: Axes, fit: InterModelFit) -> None:
    handles = [Line2D([], [], color=GREY, marker="o", markersize=8, linewidth=2, label="k of a size, 95% interval")]
    if any(len(size.runs) > 1 for size in fit.sizes):
        handles.append(Line2D([], [], color=GREY, marker="_", markersize=9, linestyle="none", label="k of each run"))
    if any(each.mode == "zero_shot" for each in fit.forecasts):
        marker = Line2D(
            [], [], color=GREY, marker="D", markersize=7, markerfacecolor="white", linewidth=1.2,
            linestyle=(0, (3, 2)), label="forecast from the smaller sizes",
        )  # fmt: skip
        handles.append(marker)
    axes.legend(handles=handles, loc="best", fontsize=8.5, frameon=False)
