"""An intra-model fit: how far off the end is that each law tells, after every part of the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from matplotlib.figure import Figure

from scaling.figures.labels import GREY
from scaling.figures.sheet import ordered_colours, sheet
from scaling.intra_model.results import IntraModelFit, RunTrajectories

TOLERANCE = 5.0  # per cent: what a forecast is held to
SHOWN = 30.0  # per cent; what is farther off leaves the picture


def draw_intra_model(fit: IntraModelFit, *, title: str, caveats: Sequence[str]) -> Figure:
    """Left: errors of every run and law against the share of the run seen. Right: AICc of the laws, run by run."""
    figure, left, right = sheet(title=title, summary=" ".join(fit.summary), caveats=caveats)
    colours = ordered_colours(fit.laws)
    for law in fit.laws:
        means = defaultdict(list)
        for run in fit.runs:
            told = [each for each in run.forecasts if each.law == law and each.relative_error is not None]
            errors = [100 * (each.relative_error or 0.0) for each in told]
            left.plot([each.share for each in told], errors, color=colours[law], linewidth=0.6, alpha=0.45)
            for forecast, error in zip(told, errors, strict=True):
                means[round(forecast.share, 2)].append(error)
        shares = sorted(means)
        left.plot(shares, [fmean(means[share]) for share in shares], color=colours[law], linewidth=2.2, label=law)
    left.axhline(0.0, color=GREY, linewidth=0.8)
    for edge in (-TOLERANCE, TOLERANCE):
        left.axhline(edge, color=GREY, linewidth=0.8, linestyle=":")
    left.set_ylim(-SHOWN, SHOWN)
    left.set_title("Error of the forecast end: each run, and the mean")
    left.set_xlabel("share of the run that was seen")
    left.set_ylabel("error, %")
    left.legend(loc="upper right", fontsize=8.5, frameon=False)
    for place, run in enumerate(fit.runs):
        for each in run.laws:
            if each.delta_aicc is not None:
                right.plot([each.delta_aicc], [place], color=colours[each.fit.law], marker="o", markersize=5)
    right.set_xscale("symlog", linthresh=10)
    right.set_yticks(range(len(fit.runs)), [_name(run) for run in fit.runs], fontsize=8)
    right.yaxis.tick_right()
    right.set_title("AICc above the run's best law")
    return figure


def _name(run: RunTrajectories) -> str:
    return run.model if run.seed < 0 else f"{run.model}, seed {run.seed}"  # an imported run's may not be known
