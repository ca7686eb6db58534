"""A transfer fit: what training gained or damaged on every benchmark."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from scaling.figures.labels import GREY
from scaling.figures.sheet import ordered_colours, sheet
from scaling.transfer.results import TransferFit

SPREAD = 0.7  # of a benchmark's row, over its models


def draw_transfer(fit: TransferFit, *, title: str, caveats: Sequence[str]) -> Figure:
    """Left: loss before and after training. Right: the gain with its 95% interval; a cross marks late damage."""
    figure, left, right = sheet(title=title, summary=" ".join(fit.summary[:2]), caveats=caveats)
    scored = list(dict.fromkeys((each.benchmark, each.protocol) for each in fit.transfers))
    models = sorted({(each.num_params, each.model) for each in fit.transfers})
    colours = ordered_colours(models)
    for each in fit.transfers:
        rank = models.index((each.num_params, each.model))
        row = scored.index((each.benchmark, each.protocol)) + SPREAD * (rank / max(len(models) - 1, 1) - 0.5)
        colour = colours[each.num_params, each.model]
        left.annotate(
            "", (each.last_loss, row), (each.first_loss, row), arrowprops={"arrowstyle": "->", "color": colour}
        )
        left.plot([each.first_loss, each.last_loss], [row, row], linestyle="none")  # so that the axes reach as far
        right.plot([each.gain.value], [row], color=colour, marker="o", markersize=4)
        if each.gain.interval is not None:
            right.plot([each.gain.interval.low, each.gain.interval.high], [row, row], color=colour, linewidth=1.4)
        if each.damage is not None and each.damage.is_found:
            right.plot([each.gain.value], [row], color="#b00020", marker="x", markersize=9)
    left.set_yticks(range(len(scored)), [name for name, _ in scored], rotation=90, va="center", fontsize=8)
    left.set_title("Test loss before and after training")
    left.set_xlabel("test loss, 1 - pass@1")
    right.axvline(0.0, color=GREY, linewidth=0.8)
    right.set_yticks([])
    right.set_title("Gain, with 95% interval")
    handles = [right.plot([], [], color=colours[model], marker="o", label=model[1])[0] for model in models]
    right.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=8.5, frameon=False)
    return figure
