"""The figure of any fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from scaling.data_reuse.results import DataReuseFit
from scaling.figures.data_reuse import draw_data_reuse
from scaling.figures.group_size import draw_group_size
from scaling.figures.inter_model import draw_inter_model
from scaling.figures.intra_model import draw_intra_model
from scaling.figures.sheet import write_figure
from scaling.figures.transfer import draw_transfer
from scaling.group_size.results import GroupSizeFit
from scaling.inter_model.results import InterModelFit
from scaling.intra_model.results import IntraModelFit
from scaling.results import Check
from scaling.scopes import FittedRows, observations_of


def plot_fit(fitted: FittedRows, *, title: str, caveats: Sequence[str], paths: Sequence[Path]) -> None:
    """Draw a fit in the way of its scope and write it to every path (.png, .svg). Its own warnings stand below it."""
    fit = fitted.fit
    own = fit.caveats if isinstance(fit, InterModelFit) else _warnings(fit.checks)
    write_figure(lambda: _drawn(fitted, title=title, caveats=[*own, *caveats]), paths)


def _warnings(checks: Sequence[Check]) -> list[str]:
    return [check.message for check in checks if check.severity == "warning"]


def _drawn(fitted: FittedRows, *, title: str, caveats: Sequence[str]) -> Figure:
    fit = fitted.fit
    if isinstance(fit, InterModelFit):
        observations = observations_of(fitted.rows, fitted.settings)
        return draw_inter_model(fit, observations, title=title, caveats=caveats)
    if isinstance(fit, IntraModelFit):
        return draw_intra_model(fit, title=title, caveats=caveats)
    if isinstance(fit, DataReuseFit):
        return draw_data_reuse(fit, title=title, caveats=caveats)
    if isinstance(fit, GroupSizeFit):
        return draw_group_size(fit, title=title, caveats=caveats)
    return draw_transfer(fit, title=title, caveats=caveats)
