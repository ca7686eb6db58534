r"""AIME and AMC as the study judged them: the very text of the gold in a box among the last 100 characters, else
math-verify on the last 300.

Flaws: a box that began earlier is cut off; without a box, any last expression can be taken for the answer.
"""

from __future__ import annotations

from workers.rewards import Truth
from workers.rewards.paper.mathematics import found_by_math_verify
from workers.rewards.reading import Reading


def score(text: str, truth: Truth) -> Reading:
    """1 where the end of the text holds the gold."""
    box = last_box(text[-100:])
    if box == str(truth):
        return Reading(1.0)
    found = found_by_math_verify(text[-300:], str(truth))
    return Reading(float(found), found=found or box is not None)


def last_box(text: str) -> str | None:
    r"""What the last `\boxed{` holds, None where it is missing or not closed; escaped braces count as braces."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    opening = start + len("\\boxed")
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[opening + 1 : place]
    return None
