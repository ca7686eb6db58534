"""What part each row plays before anything is fitted: it trains the law, or it does not and a reason says why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

RoleAndReason = tuple[str, str]


def roles_of(
    rows: Sequence[Mapping[str, object]],
    contents: Sequence[str],
    *,
    column: str,
    from_x: float | None,
    to_x: float | None,
) -> list[RoleAndReason]:
    """One role for every row. `contents`: what each row measured, as text; `column`: of x.

    Of several evaluations of one step of a trial (it was resumed, or scored again) the latest counts. A trial of which
    every row equals those of another is that trial imported or selected twice: counted as a repeat it would show runs
    that do not differ, and intervals much too narrow.
    """
    latest: dict[tuple[object, object], tuple[float, int]] = {}
    for index, row in enumerate(rows):
        step = row["trial_id"], row["step"]
        latest[step] = max(latest.get(step, (-math.inf, -1)), (number(row["evaluation_id"]), index))
    copied = _copies(rows, contents)
    roles = []
    for index, row in enumerate(rows):
        x, score = number(row.get(column)), number(row["score"])
        if (original := copied.get(row["trial_id"])) is not None:
            roles.append(("superseded", f"every evaluation of this trial equals those of trial {original}: a copy"))
        elif latest[row["trial_id"], row["step"]][1] != index:
            roles.append(("superseded", f"step {row['step']} of this trial was evaluated again later"))
        elif row["step"] == 0 or x == 0:
            roles.append(("baseline", "before training: ln 0 is not on the axis"))
        elif math.isnan(x) or math.isnan(score):
            roles.append(("unusable", f"{column} or score is missing"))
        elif from_x is not None and x < from_x:
            roles.append(("outside_window", f"{column} {x:g} is before {from_x:g}"))
        elif to_x is not None and x > to_x:
            roles.append(("outside_window", f"{column} {x:g} is after {to_x:g}"))
        else:
            roles.append(("train", ""))
    return roles


def number(value: object) -> float:
    """The value as a float, NaN for one that is missing."""
    return math.nan if value is None else float(value)  # type: ignore[arg-type]


def _copies(rows: Sequence[Mapping[str, object]], contents: Sequence[str]) -> dict[object, object]:
    """Trial -> the first trial that measured the very same."""
    measured: dict[object, list[str]] = {}
    for row, content in zip(rows, contents, strict=True):
        measured.setdefault(row["trial_id"], []).append(content)
    first: dict[tuple[str, ...], object] = {}
    copied = {}
    for trial in sorted(measured, key=number):
        original = first.setdefault(tuple(sorted(measured[trial])), trial)
        if original != trial:
            copied[trial] = original
    return copied
