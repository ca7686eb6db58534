"""The left panel: test loss against x on log axes, every run of every size, the law and the forecast of the largest."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scaling.axes import X_UNIT
from scaling.figures.labels import GREY, Colour, amount, label_ends, set_ticks
from scaling.inter_model.results import InterModelFit, SizeFit
from scaling.observations import Observations
from scaling.wording import short

MARKERS = "osD^vP"  # one a run
CROWDED = 60  # evaluations of a size from which on the points are drawn smaller


def draw_losses(axes: Axes, fit: InterModelFit, observations: Observations, colours: Mapping[int, Colour]) -> None:
    """Fill the axes; `colours` maps each size to its colour."""
    ends = []
    for size in fit.sizes:
        colour = colours[size.num_params]
        _draw_points(axes, observations, size, colour)
        if not size.held_out:
            _draw_law(axes, size, colour)
        ends.append((_line_end(size), f"{short(size.num_params)}  k = {_line_slope(size):.3f}", colour))
    line = fit.forecast_line
    if line is not None:
        target = next(size for size in fit.sizes if size.num_params == line.target_size)
        x = np.array([line.level_x, line.x_max])
        loss = np.exp(line.level - line.k * np.log(x / line.level_x))
        axes.plot(x, loss, color=colours[target.num_params], linestyle=(0, (5, 3)), linewidth=1.8, zorder=4)
    _log_axes(axes, fit, observations)
    label_ends(axes, ends)
    axes.set_title("Test loss: each run, and the law")
    axes.set_xlabel(f"{X_UNIT[fit.x_kind]} (log)")
    axes.set_ylabel("test loss, 1 - pass@1 (log)")
    _explain(axes, fit)


def _draw_points(axes: Axes, observations: Observations, size: SizeFit, colour: Colour) -> None:
    """Every run: what the fit used, joined by a thin line, and smaller what lies outside its window."""
    drawable = (observations.loss > 0) & (observations.x > 0)
    fitted = drawable & (observations.where("train") | observations.where("holdout"))
    context = drawable & observations.where("outside_window")
    crowded = sum(run.num_evaluations for run in size.runs) >= CROWDED
    for rank, run in enumerate(size.runs):
        rows = fitted & (observations.trial_id == run.trial_id)
        axes.plot(
            observations.x[rows], observations.loss[rows], color=colour, marker=MARKERS[rank % len(MARKERS)],
            markerfacecolor="white" if size.held_out else colour, markersize=2.4 if crowded else 3.6,
            markeredgewidth=0.7, linewidth=0.5, alpha=0.45 if crowded else 0.75, zorder=2,
        )  # fmt: skip
        rows = context & (observations.trial_id == run.trial_id)
        axes.plot(
            observations.x[rows], observations.loss[rows], color=colour, marker=".", linestyle="none", markersize=3,
            alpha=0.35, zorder=1,
        )  # fmt: skip


def _draw_law(axes: Axes, size: SizeFit, colour: Colour) -> None:
    log_x = np.linspace(math.log(size.x_min), math.log(size.x_max), 60)
    k, interval = size.k_law, size.k_law_interval
    if k is None:
        k, interval = size.k, size.k_interval
    gap = log_x - math.log(size.level_x)
    log_loss = np.clip(size.level - k * gap, -50.0, 50.0)  # a hopeless fit still gets a figure
    axes.plot(np.exp(log_x), np.exp(log_loss), color=colour, linewidth=2.0, zorder=3)
    if interval is not None and size.level_se is not None:
        half = np.minimum(np.hypot(2 * size.level_se, gap * (interval.high - interval.low) / 2), 50.0)
        axes.fill_between(
            np.exp(log_x), np.exp(log_loss - half), np.exp(log_loss + half), color=colour, alpha=0.16, linewidth=0
        )


def _line_slope(size: SizeFit) -> float:
    """k of the line that is labelled: of the law, or the size's own where there is no law or it was held out."""
    return size.k if size.k_law is None or size.held_out else size.k_law


def _line_end(size: SizeFit) -> float:
    """Loss where that line ends."""
    return math.exp(size.level - _line_slope(size) * math.log(size.x_max / size.level_x))


def _log_axes(axes: Axes, fit: InterModelFit, observations: Observations) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = (observations.x > 0) & (observations.loss > 0)
    x, loss = observations.x[shown], observations.loss[shown]
    # A little of what precedes the window is context; all of it would push the fit to the edge.
    start = max(float(x.min()), min(size.x_min for size in fit.sizes) / 4)
    axes.set_xlim(start / 1.12, float(x.max()) * 1.06)
    axes.set_ylim(float(loss.min()) / 1.06, float(loss.max()) * 1.04)
    set_ticks(axes, "x", (1, 2, 5), amount)
    set_ticks(axes, "y", (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), lambda value: f"{value:.3g}")
    window = min(size.x_min for size in fit.training_sizes)
    if start < window:
        axes.axvline(window / 1.05, color="#bbbbbb", linewidth=0.8, linestyle=":")
        axes.annotate(
            "fit window →", (window / 1.05, 0.985), xycoords=("data", "axes fraction"), fontsize=8, color=GREY,
            xytext=(4, 0), textcoords="offset points", va="top",
        )  # fmt: skip


def _explain(axes: Axes, fit: InterModelFit) -> None:
    handles = [
        Line2D([], [], color=GREY, marker="o", markersize=3.6, linewidth=0.5, label="evaluations, one marker a run"),
        Line2D(
            [],
            [],
            color=GREY,
            linewidth=2,
            label="law (k named), 95% band" if fit.law else "line of the size, 95% band",
        ),
    ]
    if fit.forecast_line is not None:
        label = f"{short(fit.forecast_line.target_size)} as forecast from the smaller sizes"
        handles.append(Line2D([], [], color=GREY, linewidth=1.8, linestyle=(0, (5, 3)), label=label))
    axes.legend(handles=handles, loc="lower left", fontsize=8.5, frameon=False)
