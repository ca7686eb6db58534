"""The figure of any fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from scaling.data_reuse.results import DataReuseFit
from scaling.errors import FitError
from scaling.figures.data_reuse import draw_data_reuse
from scaling.figures.diagnostics import draw_diagnostics
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

NOTES = ("SEEDS", "LR")


def plot_fit(fitted: FittedRows, *, title: str, caveats: Sequence[str], paths: Sequence[Path]) -> None:
    """Draw a fit in the way of its scope and write it to every path (.png, .svg). Its own warnings stand below it."""
    fit = fitted.fit
    write_figure(lambda: _drawn(fitted, title=title, caveats=[*_own(fit.checks), *caveats]), paths)


def plot_diagnostics(fitted: FittedRows, *, title: str, caveats: Sequence[str], paths: Sequence[Path]) -> None:
    """Draw by what one decides to believe an inter-model law. FitError for a fit of another scope."""
    fit = fitted.fit
    if not isinstance(fit, InterModelFit):
        raise FitError("diagnostics are of a law k(N): draw them for --scope inter-model, or leave them out.")
    observations = observations_of(fitted.rows, fitted.settings)
    words = [*_own(fit.checks), *caveats]
    write_figure(lambda: draw_diagnostics(fit, observations, title=title, caveats=words), paths)


def _own(checks: Sequence[Check]) -> list[str]:
    """The warnings, then the notes without which a slope is misread, each with its code in docs/fits.md."""
    said = [check for check in checks if check.severity == "warning"]
    said += [check for check in checks if check.severity == "note" and check.code in NOTES]
    return [f"{check.code}: {check.message}" for check in said]


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
