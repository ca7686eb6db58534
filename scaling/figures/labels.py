"""Ticks that read as plain numbers on log axes, and labels written beside the curves they name."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes

from scaling.wording import short

Colour: TypeAlias = tuple[float, float, float, float] | str
GREY = "#777777"


def amount(value: float) -> str:
    """A number of any size as an axis has room for it."""
    if value >= 1e13 or value < 0.01:
        return f"{value:.0e}".replace("e+", "e")
    return short(value) if value >= 1000 else f"{value:.3g}"


def set_ticks(axes: Axes, which: Literal["x", "y"], leads: Sequence[float], write: Callable[[float], str]) -> None:
    """Ticks at these leading digits of every decade, at the decades alone where there are many."""
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    if math.log10(high / low) > 2.5:
        leads = (1,)
    ticks = [lead * 10.0**decade for decade in decades for lead in leads if low <= lead * 10.0**decade <= high]
    setter = axes.set_xticks if which == "x" else axes.set_yticks
    setter(ticks, [write(tick) for tick in ticks])
    setter([], minor=True)


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, Colour]]) -> None:
    """Write each label to the right of the axes at its height, moved apart where they would overlap."""
    to_axes = axes.transData + axes.transAxes.inverted()
    x = axes.get_xlim()[1]
    placed = sorted((float(np.clip(to_axes.transform((x, y))[1], 0.0, 1.0)), text, colour) for y, text, colour in ends)
    heights = _apart([height for height, _, _ in placed], 0.052)
    for height, (_, text, colour) in zip(heights, placed, strict=True):
        axes.text(1.015, height, text, transform=axes.transAxes, color=colour, fontsize=9, va="center")


def _apart(heights: list[float], gap: float) -> list[float]:
    """Ascending heights pushed to at least `gap` from each other, about where they were."""
    moved = list(heights)
    for _ in range(200):
        for index in range(len(moved) - 1):
            overlap = gap - (moved[index + 1] - moved[index])
            if overlap > 1e-9:
                moved[index] -= overlap / 2
                moved[index + 1] += overlap / 2
    return moved
