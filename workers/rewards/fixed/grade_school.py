"""GSM8K: the last box, else the number after the last `####`. The last number of a text is not an answer."""

from __future__ import annotations

import re

from workers.rewards import Truth
from workers.rewards.extraction import after_thinking
from workers.rewards.fixed import mathematics
from workers.rewards.reading import NOTHING_FOUND, Reading

_MARKED = re.compile(r"####\s*\$?\s*(-?[\d,]*\.?\d+)")


def score(text: str, truth: Truth) -> Reading:
    """1 where the boxed or marked number is the truth."""
    rest = after_thinking(text) or ""
    if "\\boxed" in rest:
        return mathematics.score(text, truth)
    marked = _MARKED.findall(rest)
    return mathematics.judge(marked[-1].replace(",", ""), truth) if marked else NOTHING_FOUND
