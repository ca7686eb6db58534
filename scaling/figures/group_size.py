"""A group-size fit: the curve of every group size, and how sure it is which one is the lowest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.axes import X_UNIT
from scaling.figures.labels import GREY, amount, set_ticks
from scaling.figures.sheet import ordered_colours, sheet
from scaling.group_size.results import GroupFit, GroupSizeFit
from scaling.observations import FloatArray

LINES = ("-", (0, (5, 3)), (0, (1, 2)), (0, (5, 2, 1, 2)))  # one a model


def draw_group_size(fit: GroupSizeFit, *, title: str, caveats: Sequence[str]) -> Figure:
    """Left: fitted curves over what was run. Right: in which share of the draws each group size is the best."""
    figure, left, right = sheet(title=title, summary=" ".join(model.summary for model in fit.models), caveats=caveats)
    colours = ordered_colours(sorted({group.group_size for model in fit.models for group in model.groups}))
    for line, model in zip(_repeated(LINES, len(fit.models)), fit.models, strict=True):
        for group in model.groups:
            x, loss = _curve(group)
            left.plot(x, loss, color=colours[group.group_size], linewidth=1.8, linestyle=line)
        for crossing in model.crossings:
            left.axvline(crossing.x, color=GREY, linewidth=0.7, linestyle=":")
        for size, colour in colours.items():
            shares = [(best.x, share) for best in model.best for each, _, share in best.shares if each == size]
            known = [(x, share) for x, share in shares if share is not None]
            right.plot([x for x, _ in known], [share for _, share in known], color=colour, linestyle=line)
    _log(left, fit)
    left.set_yscale("log")
    set_ticks(left, "y", (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), lambda value: f"{value:.3g}")
    left.set_title("Test loss by group size" + ("" if len(fit.models) == 1 else ", one line style a model"))
    left.set_ylabel("test loss, 1 - pass@1 (log)")
    handles = [left.plot([], [], color=colour, label=f"G = {size}")[0] for size, colour in colours.items()]
    left.legend(handles=handles, loc="lower left", fontsize=8.5, frameon=False)
    _log(right, fit)
    right.set_ylim(-0.02, 1.02)
    right.set_title("Share of draws in which it is the best")
    return figure


def _curve(group: GroupFit) -> tuple[FloatArray, FloatArray]:
    log_x = np.linspace(np.log(group.x_min), np.log(group.x_max), 60)
    position = (log_x - group.centre) / group.half
    log_loss = sum(each * position**power for power, each in enumerate(group.coefficients))
    return np.exp(log_x), np.exp(log_loss)


def _log(axes: Axes, fit: GroupSizeFit) -> None:
    axes.set_xscale("log")
    groups = [group for model in fit.models for group in model.groups]
    axes.set_xlim(min(group.x_min for group in groups) / 1.05, max(group.x_max for group in groups) * 1.05)
    set_ticks(axes, "x", (1, 2, 5), amount)
    axes.set_xlabel(f"{X_UNIT[fit.x_kind]} (log)")


def _repeated(lines: Sequence[object], count: int) -> list[object]:
    return [lines[place % len(lines)] for place in range(count)]
