"""A data-reuse fit: how the loss at each tau leaves that of fresh prompts behind, and what is left of it at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.data_reuse.results import DataReuseFit, ReuseOfModel
from scaling.figures.labels import GREY, Colour, amount, set_ticks
from scaling.figures.sheet import ordered_colours, sheet_rows

# A triangle is harm, a circle as good as fresh, a square neither.
VERDICT_MARKERS = {"harmful": "v", "equivalent": "o", "not_settled": "s"}
PARTS = 12  # of the range of ln x
VERDICT_WORDS = {"harmful": "harmful", "equivalent": "as good as fresh", "not_settled": "not settled"}


def draw_data_reuse(fit: DataReuseFit, *, title: str, caveats: Sequence[str]) -> Figure:
    """A row for each model. Left: differences of loss against prompts, pair by pair. Right: by tau, at the end."""
    summary = " ".join(model.summary for model in fit.models)
    figure, rows = sheet_rows(title=title, summary=summary, caveats=caveats, rows=len(fit.models))
    colours = ordered_colours(sorted({effect.tau for model in fit.models for effect in model.effects}))
    for (left, right), model in zip(rows, fit.models, strict=True):
        _draw_pairs(left, model, colours)
        _draw_ends(right, model, fit.window)
        for axes in (left, right):
            axes.axhline(0.0, color=GREY, linewidth=0.8)
            axes.axhline(100 * fit.margin, color=GREY, linewidth=0.8, linestyle=":")
    return figure


def _draw_pairs(axes: Axes, model: ReuseOfModel, colours: Mapping[float, Colour]) -> None:
    """Every pair thin, and bold the means of all pairs of a tau over neighbouring x, above their noise."""
    for pair in model.pairs:
        change = 100 * np.expm1(np.array(pair.difference))
        axes.plot(pair.x, change, color=colours[pair.tau], linewidth=0.6, alpha=0.3)
    for effect in model.effects:
        pairs = [pair for pair in model.pairs if pair.tau == effect.tau]
        x, difference = (np.concatenate(each) for each in zip(*((p.x, p.difference) for p in pairs), strict=True))
        of_part = np.digitize(np.log(x), np.linspace(np.log(x.min()), np.log(x.max()), PARTS + 1)[1:-1])
        means = [
            [np.exp(np.log(x[of_part == part]).mean()), 100 * np.expm1(difference[of_part == part].mean())]
            for part in np.unique(of_part)
        ]
        axes.plot(*zip(*means, strict=True), color=colours[effect.tau], linewidth=2, label=f"tau = {effect.tau:g}")
    axes.set_xscale("log")
    set_ticks(axes, "x", (1, 2, 5), amount)
    axes.set_title(f"{model.model}: test loss against that of the twin at tau = 1")
    axes.set_xlabel("prompts (log)")
    axes.set_ylabel("difference, %")
    axes.legend(loc="upper left", fontsize=8.5, frameon=False)


def _draw_ends(axes: Axes, model: ReuseOfModel, window: float) -> None:
    """Means over the last evaluations with intervals, the marker by verdict; a dash at the last evaluation alone."""
    for effect in model.effects:
        mean, last = (100 * math.expm1(each) for each in (effect.mean, effect.last))
        axes.plot([effect.tau], [mean], color="C0", marker=VERDICT_MARKERS[effect.verdict], markersize=5)
        axes.plot([effect.tau], [last], color="C1", marker="_", markersize=11, markeredgewidth=1.6)
        if effect.interval is not None:
            low, high = (100 * math.expm1(end) for end in (effect.interval.low, effect.interval.high))
            axes.plot([effect.tau, effect.tau], [low, high], color="C0", linewidth=1.4)
    for verdict in dict.fromkeys(effect.verdict for effect in model.effects):
        words = VERDICT_WORDS[verdict]
        axes.plot([], [], color="C0", marker=VERDICT_MARKERS[verdict], linestyle="none", markersize=5, label=words)
    axes.plot([], [], color="C1", marker="_", linestyle="none", label="last evaluation alone")
    axes.legend(loc="upper left", fontsize=8.5, frameon=False)
    taus = [effect.tau for effect in model.effects]
    axes.set_xscale("log")
    axes.set_xlim(min(taus) / 1.3, max(taus) * 1.3)
    axes.set_xticks(taus, [f"{tau:g}" for tau in taus])
    axes.set_xticks([], minor=True)
    axes.set_title(f"Mean of the last {window:.0%}, with 95% interval")
    axes.set_xlabel("tau (log)")
