"""A data-reuse fit: how the loss at each tau leaves that of fresh prompts behind, and what is left of it at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.data_reuse.results import DataReuseFit, ReuseOfModel
from scaling.figures.labels import GREY, amount, set_ticks
from scaling.figures.sheet import ordered_colours, sheet

VERDICT_MARKERS = {"harmful": "v", "equivalent": "o", "not_settled": "s"}


def draw_data_reuse(fit: DataReuseFit, *, title: str, caveats: Sequence[str]) -> Figure:
    """Left: differences of ln L against prompts, pair by pair. Right: their means at the end by tau, with intervals."""
    figure, left, right = sheet(title=title, summary=" ".join(model.summary for model in fit.models), caveats=caveats)
    taus = sorted({effect.tau for model in fit.models for effect in model.effects})
    colours = ordered_colours(taus)
    for model in fit.models:
        for pair in model.pairs:
            change = 100 * np.expm1(np.array(pair.difference))
            left.plot(pair.x, change, color=colours[pair.tau], linewidth=0.9, alpha=0.8)
    _margin(left, fit)
    left.set_xscale("log")
    set_ticks(left, "x", (1, 2, 5), amount)
    left.set_title("Test loss against that of the twin at tau = 1")
    left.set_xlabel("prompts (log)")
    left.set_ylabel("difference, %")
    handles = [left.plot([], [], color=colours[tau], label=f"tau = {tau:g}")[0] for tau in taus]
    left.legend(handles=handles, loc="upper left", fontsize=8.5, frameon=False)
    for shift, model in enumerate(fit.models):
        _means(right, model, shift)
    _margin(right, fit)
    right.set_xscale("log")
    right.set_xticks(taus, [f"{tau:g}" for tau in taus])
    right.set_xticks([], minor=True)
    right.set_title("Mean at the end, with 95% interval")
    right.set_xlabel("tau (log)")
    return figure


def _means(axes: Axes, model: ReuseOfModel, shift: int) -> None:
    """Markers say the verdict: a triangle is harm, a circle as good as fresh, a square neither."""
    for effect in model.effects:
        at, mean = effect.tau * 1.05**shift, 100 * math.expm1(effect.mean)
        axes.plot([at], [mean], color=f"C{shift}", marker=VERDICT_MARKERS[effect.verdict], markersize=5)
        if effect.interval is not None:
            low, high = (100 * math.expm1(end) for end in (effect.interval.low, effect.interval.high))
            axes.plot([at, at], [low, high], color=f"C{shift}", linewidth=1.4)
    axes.plot([], [], color=f"C{shift}", marker="o", label=model.model)
    axes.legend(loc="upper left", fontsize=8.5, frameon=False)


def _margin(axes: Axes, fit: DataReuseFit) -> None:
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.axhline(100 * fit.margin, color=GREY, linewidth=0.8, linestyle=":")
