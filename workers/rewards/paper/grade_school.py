r"""GSM8K as the study judged it: the last box, else the first `####`, else the last number; then math-verify on all.

Flaws: any last number is an answer; math-verify may find the gold anywhere in the text; units vanish, even "cents".
"""

from __future__ import annotations

import re

from workers.rewards import Truth
from workers.rewards.paper.competition import last_box
from workers.rewards.paper.mathematics import found_by_math_verify
from workers.rewards.reading import NOTHING_FOUND, Reading

_UNITS = (
    "dollars", "dollar", "cents", "cent", "percent", "percentage", "points", "point", "units", "unit", "degrees",
    "degree", "feet", "foot", "inches", "inch", "meters", "meter", "miles", "mile", "cm", "mm", "kg", "pounds",
    "pound", "hours", "hour", "minutes", "minute", "seconds", "second", "days", "day",
)  # fmt: skip


def score(text: str, truth: Truth) -> Reading:
    """1 where the number that was found is the gold's, or math-verify says so of the whole text."""
    number, marked = _number(text)
    if number is None:
        return NOTHING_FOUND
    if number == _tidy(str(truth)):
        return Reading(1.0)
    found = found_by_math_verify(text, str(truth))
    return Reading(float(found), found=found or marked)


def _number(text: str) -> tuple[str | None, bool]:
    """The number, and whether a box or a mark showed it."""
    box = last_box(text)
    if box is not None:
        return _tidy(box), True
    marked = re.search(r"#### (-?[0-9.,]+)", text)
    if marked:
        return _tidy(marked[1]), True
    numbers = map(_tidy, reversed(re.findall(r"-?[0-9.,]+", text)))
    return next((number for number in numbers if number not in ("", ".", "0.")), None), False


def _tidy(number: str) -> str:
    number = re.sub(r"\\text(?:bf)?\{([^}]*)\}", r"\1", number.strip())
    number = re.sub(r"\\(?=[$%])|[$%,]", "", number)
    for unit in _UNITS:
        number = re.sub(rf"\s*{unit}s?\s*$", "", number, flags=re.IGNORECASE)
    number = number.strip()
    try:
        return str(int(float(number))) if "." in number and float(number).is_integer() else number
    except ValueError:
        return number
