"""One figure that shows an inter-model fit as it is: every evaluation, the law with its band, and what it forecast.

Left: test loss against x, one colour a size. Right: the slopes against size with the fitted k(N), its rivals and the
forecast of the largest size. The caveats are part of the figure, so that they travel with it. Equal fits give equal
files; pyplot and its global state are not used.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from scaling.figures.labels import Colour
from scaling.figures.loss_panel import draw_losses
from scaling.figures.slope_panel import draw_slopes
from scaling.inter_model.results import InterModelFit
from scaling.laws.k_forms import K_FORMS
from scaling.observations import Observations
from scaling.wording import short

STYLE: Any = {  # matplotlib types its settings as literals, one by one
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "svg.hashsalt": "rlsweep",
}
WRAP = 180
LINE_INCHES = 0.17
TITLE_WRAP = 100
TITLE_INCHES = 0.26


def plot_inter_model(
    fit: InterModelFit,
    observations: Observations,
    *,
    title: str,
    caveats: Sequence[str],
    paths: Sequence[Path],
) -> None:
    """Draw the fit and write it to every path; the suffix (.png, .svg) says in which format."""
    with mpl.rc_context(STYLE):
        figure = draw_inter_model(fit, observations, title=title, caveats=caveats)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            stamp = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(path, dpi=150, metadata=stamp)


def draw_inter_model(fit: InterModelFit, observations: Observations, *, title: str, caveats: Sequence[str]) -> Figure:
    """The figure itself, for a notebook or a test."""
    lines = [
        line for each in caveats for line in textwrap.wrap(each, WRAP, initial_indent="• ", subsequent_indent="  ")
    ]
    footer = LINE_INCHES * len(lines) + 0.25
    heading = textwrap.wrap(title, TITLE_WRAP)
    extra = TITLE_INCHES * max(len(heading) - 1, 0)
    height = 5.9 + footer + extra
    figure = Figure(figsize=(12.5, height))
    left = figure.add_axes((0.058, (footer + 0.62) / height, 0.40, 4.25 / height))
    right = figure.add_axes((0.622, (footer + 0.62) / height, 0.278, 4.25 / height))
    colours = _colours(fit)
    draw_losses(left, fit, observations, colours)
    draw_slopes(right, fit, colours)
    top = 1 - (0.32 + extra / 2) / height
    figure.text(0.02, top, "\n".join(heading), fontsize=14, fontweight="bold", va="center")
    figure.text(0.02, 1 - (0.62 + extra) / height, summary(fit), fontsize=10, color="#333333", va="center")
    figure.text(
        0.02, (footer - 0.05) / height, "\n".join(lines), fontsize=8.5, color="#333333", va="top", linespacing=1.35
    )
    return figure


def summary(fit: InterModelFit) -> str:
    """The law in one line, or why there is none."""
    if fit.law is None:
        return fit.identification.message
    parts = []
    for parameter in fit.law.parameters:
        text = f"{parameter.name} = {_amount(parameter.value)}"
        if parameter.interval is not None:
            text += f" [{_amount(parameter.interval.low)}, {_amount(parameter.interval.high)}]"
        parts.append(text)
    verdict = {"identified": "", "one_sided": ", one-sided"}.get(
        fit.identification.verdict, f" ({fit.identification.verdict.replace('_', ' ')})"
    )
    return f"k(N) = {K_FORMS[fit.law.k_form].formula}:  {',  '.join(parts)}  (95% intervals){verdict}"


def _amount(value: float) -> str:
    return short(value) if value >= 1000 else f"{value:.3g}"


def _colours(fit: InterModelFit) -> dict[int, Colour]:
    """Viridis from dark (small) to light (large), stopping short of the yellow that paper swallows."""
    sizes = [size.num_params for size in fit.sizes]
    palette = mpl.colormaps["viridis"]
    return {size: palette(0.82 * rank / max(len(sizes) - 1, 1)) for rank, size in enumerate(sizes)}
