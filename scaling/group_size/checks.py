"""What to know before a group-size fit is quoted: F12, and what its runs do not cover."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.group_size.results import GroupSizesOfModel
from scaling.observations import CONFIGURATION, Row
from scaling.results import Check, Severity
from scaling.wording import short

SURE = 0.95
SETTINGS = tuple(name for name in CONFIGURATION if name not in ("model", "group_size"))


def group_checks(
    models: Sequence[GroupSizesOfModel], rows: Sequence[Row], left_out: Sequence[tuple[str, str]], *, unit: str
) -> list[Check]:
    """F12 of every model first, then the limits of the data."""
    found = [check for model in models for check in _f12(model, unit)]
    for model in models:
        found += [*_edge(model), *_sure(model), _seeds(model), *_cover(model, unit), *_mixture(model, rows)]
    return found + [Check("ONE_G", "note", 1.0, 2.0, None, f"{model} is left out: {why}.") for model, why in left_out]


def _f12(model: GroupSizesOfModel, unit: str) -> list[Check]:
    if model.crossings:
        return [_cross(model, unit)]
    message = f"{model.model}: no two group sizes cross inside the range they share."
    return [Check("F12", "ok", None, None, model.num_params, message)]


def _cross(model: GroupSizesOfModel, unit: str) -> Check:
    """All crossings of a model in one warning: none of its group sizes is the better one at every budget."""
    each = "; ".join(f"G = {each.after} overtakes {each.before} at {short(each.x)} {unit}" for each in model.crossings)
    message = f"{model.model}: {each}, inside what was run of both. Quote the budget with every claim about them."
    return Check("F12", "warning", model.crossings[0].x, None, model.num_params, message)


def _edge(model: GroupSizesOfModel) -> list[Check]:
    """F12: a best group size with nothing tried on its other side is a bound, not an optimum."""
    tried = [group.group_size for group in model.groups]
    best = {each.group_size for each in model.ranges}
    found = []
    for edge, side in ((tried[0], "smaller"), (tried[-1], "larger")):
        if edge in best:
            message = (
                f"{model.model}: G = {edge}, the best over part of the range, is the edge of those tried. Add {side} G."
            )
            found.append(Check("F12", "note", float(edge), None, model.num_params, message))
    return found


def _sure(model: GroupSizesOfModel) -> list[Check]:
    unsure = [each for each in model.ranges if each.highest_share is not None and each.highest_share < SURE]
    if any(each.highest_share is None for each in model.ranges):
        message = f"{model.model}: nothing tells how sure the best G is. Add seeds, or evaluate more often."
        return [Check("UNSURE", "warning", None, SURE, model.num_params, message)]
    if not unsure:
        return []
    named = ", ".join(f"{each.group_size}" for each in unsure)
    message = f"{model.model}: G = {named} is nowhere the best in {SURE:.0%} of draws. Add seeds before choosing it."
    value = min(each.highest_share for each in unsure if each.highest_share is not None)
    return [Check("UNSURE", "note", value, SURE, model.num_params, message)]


def _seeds(model: GroupSizesOfModel) -> Check:
    fewest = min(group.num_runs for group in model.groups)
    if fewest == 1:
        repeats = sum(group.num_runs - 1 for group in model.groups)
        message = f"{model.model}: one seed at some G; how runs differ rests on {repeats} repeats at others. Add seeds."
        return Check("SEEDS", "warning", 1.0, 2.0, model.num_params, message)
    severity: Severity = "note" if fewest == 2 else "ok"
    message = f"{model.model}: {fewest} seeds at every G.{' A third would help.' if fewest == 2 else ''}"
    return Check("SEEDS", severity, float(fewest), 3.0, model.num_params, message)


def _cover(model: GroupSizesOfModel, unit: str) -> list[Check]:
    low = max(group.x_min for group in model.groups)
    high = min(group.x_max for group in model.groups)
    if low >= high:
        said = "there is no budget that every G covers"
    elif any(each.x < low * 0.999 or each.x > high * 1.001 for each in model.best):
        said = f"all G are compared from {short(low)} to {short(high)} {unit} only"
    else:
        return []
    message = (
        f"{model.model}: {said}; outside that, the best is among those that were run so far. Run the others as far."
    )
    return [Check("COVER", "note", low, high, model.num_params, message)]


def _mixture(model: GroupSizesOfModel, rows: Sequence[Row]) -> list[Check]:
    mine = [row for row in rows if str(row["model"]) == model.model]
    mixed = [name for name in SETTINGS if len({row.get(name) for row in mine}) > 1]
    if not mixed:
        return []
    message = (
        f"{model.model}: its runs differ in {', '.join(mixed)} too and are fitted as repeats. Select one value "
        f"(--where {mixed[0]}=...)."
    )
    return [Check("F15", "warning", float(len(mixed)), 0.0, model.num_params, message)]
