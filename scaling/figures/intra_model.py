"""An intra-model fit: how far off the end is that each law tells, after every part of the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.figures.labels import GREY, Colour
from scaling.figures.sheet import ordered_colours, sheet
from scaling.intra_model.results import IntraModelFit, RunTrajectories

TOLERANCE = 5.0  # per cent: what a forecast is held to
CROWDED = 12  # runs, from which on single lines hide each other
SHOWN = 30.0  # per cent; what is farther off leaves the picture


def draw_intra_model(fit: IntraModelFit, *, title: str, caveats: Sequence[str]) -> Figure:
    """Left: errors of every run and law against the share of the run seen. Right: AICc of the laws, run by run."""
    figure, left, right = sheet(title=title, summary=" ".join(fit.summary), caveats=caveats)
    colours = ordered_colours(fit.laws)
    is_crowded = len(fit.runs) > CROWDED
    for law in fit.laws:
        _draw_errors(left, fit.runs, law, colours[law], single_runs=not is_crowded)
    left.axhline(0.0, color=GREY, linewidth=0.8)
    for edge in (-TOLERANCE, TOLERANCE):
        left.axhline(edge, color=GREY, linewidth=0.8, linestyle=":")
    left.set_ylim(-SHOWN, SHOWN)
    left.set_title(f"Error of the forecast end: {'quartiles of runs' if is_crowded else 'each run'}, and the median")
    left.set_xlabel("share of the run that was seen")
    left.set_ylabel("error, %")
    left.legend(loc="upper right", fontsize=8.5, frameon=False)
    names = list(dict.fromkeys(run.model if is_crowded else _name(run) for run in fit.runs))
    for run in fit.runs:
        place = names.index(run.model if is_crowded else _name(run))
        for each in run.laws:
            if each.delta_aicc is not None:
                right.plot([each.delta_aicc], [place], color=colours[each.fit.law], marker="o", markersize=5, alpha=0.8)
    right.set_xscale("symlog", linthresh=10)
    right.set_yticks(range(len(names)), names, fontsize=8)
    right.yaxis.tick_right()
    right.set_title("AICc above the run's best law")
    return figure


def _draw_errors(axes: Axes, runs: Sequence[RunTrajectories], law: str, colour: Colour, *, single_runs: bool) -> None:
    """The median over runs, and behind it every run, or their quartiles where lines would hide each other."""
    by_share = defaultdict(list)
    for run in runs:
        told = [each for each in run.forecasts if each.law == law and each.relative_error is not None]
        errors = [100 * (each.relative_error or 0.0) for each in told]
        if single_runs:
            axes.plot([each.share for each in told], errors, color=colour, linewidth=0.6, alpha=0.45)
        for forecast, error in zip(told, errors, strict=True):
            by_share[round(forecast.share, 2)].append(error)
    shares = sorted(by_share)
    if not single_runs:
        low, high = (np.array([np.quantile(by_share[share], each) for share in shares]) for each in (0.25, 0.75))
        axes.fill_between(shares, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(shares, [median(by_share[share]) for share in shares], color=colour, linewidth=2.2, label=law)


def _name(run: RunTrajectories) -> str:
    return run.model if run.seed < 0 else f"{run.model}, seed {run.seed}"  # an imported run's may not be known
