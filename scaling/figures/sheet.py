"""The sheet that every figure is drawn on: a title, what was found in a line, its panels, and the caveats below.

The caveats are part of the figure, so that they travel with it. Equal fits give equal files; pyplot and its global
state are not used.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scaling.figures.labels import Colour

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
SUMMARY_WRAP = 150
PANEL_INCHES = 4.25
ROW_INCHES = 3.1  # of each of several rows
GAP_INCHES = 0.95  # room for the title of a row and the labels of the one above


def write_figure(draw: Callable[[], Figure], paths: Sequence[Path]) -> None:
    """Draw in our style and write to every path; the suffix (.png, .svg) says in which format."""
    with mpl.rc_context(STYLE):
        figure = draw()
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            stamp = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(path, dpi=150, metadata=stamp)


def sheet(*, title: str, summary: str, caveats: Sequence[str]) -> tuple[Figure, Axes, Axes]:
    """A figure with its words, and its left and right axes."""
    figure, ((left, right),) = sheet_rows(title=title, summary=summary, caveats=caveats, rows=1)
    return figure, left, right


def sheet_rows(
    *, title: str, summary: str, caveats: Sequence[str], rows: int
) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure with its words, and a left and a right axes in each of so many rows."""
    places = ((0.058, 0.40), (0.622, 0.278))
    figure, axes = panels(title=title, summary=summary, caveats=caveats, places=places, rows=rows)
    return figure, list(zip(axes[::2], axes[1::2], strict=True))


def panels(
    *, title: str, summary: str, caveats: Sequence[str], places: Sequence[tuple[float, float]], rows: int = 1
) -> tuple[Figure, list[Axes]]:
    """A figure with its words, and axes beside each other, row by row; `places`: left edge and width of each, as
    shares.
    """
    lines = [
        line for each in caveats for line in textwrap.wrap(each, WRAP, initial_indent="• ", subsequent_indent="  ")
    ]
    footer = LINE_INCHES * len(lines) + 0.25
    heading = textwrap.wrap(title, TITLE_WRAP)
    found = textwrap.wrap(summary, SUMMARY_WRAP)
    extra = TITLE_INCHES * max(len(heading) - 1, 0) + LINE_INCHES * max(len(found) - 1, 0)
    panel = PANEL_INCHES if rows == 1 else ROW_INCHES
    height = 1.65 + footer + extra + rows * panel + (rows - 1) * GAP_INCHES
    figure = Figure(figsize=(12.5, height))
    bottoms = [(footer + 0.62 + row * (panel + GAP_INCHES)) / height for row in reversed(range(rows))]
    axes = [figure.add_axes((left, bottom, width, panel / height)) for bottom in bottoms for left, width in places]
    above = TITLE_INCHES * max(len(heading) - 1, 0)
    figure.text(0.02, 1 - (0.32 + above / 2) / height, "\n".join(heading), fontsize=14, fontweight="bold", va="center")
    figure.text(
        0.02, 1 - (0.53 + above) / height, "\n".join(found), fontsize=10, color="#333333", va="top", linespacing=1.3
    )
    figure.text(
        0.02, (footer - 0.05) / height, "\n".join(lines), fontsize=8.5, color="#333333", va="top", linespacing=1.35
    )
    return figure, axes


def ordered_colours(keys: Sequence[Any]) -> dict[Any, Colour]:
    """Viridis from dark (first) to light (last), stopping short of the yellow that paper swallows."""
    palette = mpl.colormaps["viridis"]
    return {key: palette(0.82 * rank / max(len(keys) - 1, 1)) for rank, key in enumerate(keys)}
