"""The page of any fit, and the same content for a program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.screens.fits.json_numbers import finite

if TYPE_CHECKING:
    from scaling.scopes import AnyFit


def print_remarks(remarks: Sequence[str]) -> None:
    """What was settled without having been asked for; on stderr, so that what is printed stays what was asked for."""
    for remark in remarks:
        print(f"rlsweep: {remark}", file=sys.stderr)


def render_fit(fit: AnyFit, *, caveats: Sequence[str], console: Console) -> None:
    """Print the fit, in the way of its scope."""
    from orchestrator.screens.fits import data_reuse, group_size, inter_model, intra_model, transfer
    from scaling.data_reuse.results import DataReuseFit
    from scaling.group_size.results import GroupSizeFit
    from scaling.inter_model.results import InterModelFit
    from scaling.intra_model.results import IntraModelFit

    if isinstance(fit, InterModelFit):
        inter_model.render(fit, caveats=caveats, console=console)
    elif isinstance(fit, IntraModelFit):
        intra_model.render(fit, caveats=caveats, console=console)
    elif isinstance(fit, DataReuseFit):
        data_reuse.render(fit, caveats=caveats, console=console)
    elif isinstance(fit, GroupSizeFit):
        group_size.render(fit, caveats=caveats, console=console)
    else:
        transfer.render(fit, caveats=caveats, console=console)


def fit_as_json(fit: AnyFit, caveats: Sequence[str]) -> dict[str, Any]:
    """The fit as what `json.dumps` takes; points are counted by role, and draws stay in the database."""
    from scaling.inter_model.results import InterModelFit

    content = asdict(fit)
    if isinstance(fit, InterModelFit):
        for parameter in content["law"]["parameters"] if content["law"] else ():
            del parameter["draws"]
        roles = [point["role"] for point in content.pop("points")]
        content["evaluations_by_role"] = {role: roles.count(role) for role in sorted(set(roles))}
        for forecast, plain in zip(fit.forecasts, content["forecasts"], strict=True):
            plain |= {
                "label": forecast.label,
                "relative_error": forecast.relative_error,
                "covered": forecast.covered,
            }
    content["caveats"] = list(caveats)
    numbers: dict[str, Any] = finite(content)
    return numbers
