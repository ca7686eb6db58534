"""One figure that shows an inter-model fit as it is: every evaluation, the law with its band, and what it forecast.

Left: test loss against x, one colour a size. Right: the slopes against size with the fitted k(N), its rivals and the
forecast of the largest size.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from scaling.figures.loss_panel import draw_losses
from scaling.figures.sheet import ordered_colours, sheet, write_figure
from scaling.figures.slope_panel import draw_slopes
from scaling.inter_model.results import InterModelFit
from scaling.laws.k_forms import K_FORMS
from scaling.observations import Observations
from scaling.wording import short


def plot_inter_model(
    fit: InterModelFit,
    observations: Observations,
    *,
    title: str,
    caveats: Sequence[str],
    paths: Sequence[Path],
) -> None:
    """Draw the fit and write it to every path; the suffix (.png, .svg) says in which format."""
    write_figure(lambda: draw_inter_model(fit, observations, title=title, caveats=caveats), paths)


def draw_inter_model(fit: InterModelFit, observations: Observations, *, title: str, caveats: Sequence[str]) -> Figure:
    """The figure itself, for a notebook or a test."""
    figure, left, right = sheet(title=title, summary=summary(fit), caveats=caveats)
    colours = ordered_colours([size.num_params for size in fit.sizes])
    draw_losses(left, fit, observations, colours)
    draw_slopes(right, fit, colours)
    return figure


def summary(fit: InterModelFit) -> str:
    """The law in one line, or why there is none."""
    if fit.law is None:
        return fit.identification.message
    parts = []
    for parameter in fit.law.parameters:
        text = f"{parameter.name} = {short(parameter.value)}"
        if parameter.interval is not None:
            text += f" [{short(parameter.interval.low)}, {short(parameter.interval.high)}]"
        parts.append(text)
    verdict = {"identified": "", "one_sided": ", one-sided"}.get(
        fit.identification.verdict, f" ({fit.identification.verdict.replace('_', ' ')})"
    )
    return f"k(N) = {K_FORMS[fit.law.k_form].formula}:  {',  '.join(parts)}  (95% intervals){verdict}"
