"""Multiple choice: one letter from A to J, in a box; an answer that names none earns nothing, and nothing is drawn."""

from __future__ import annotations

import re

from workers.rewards import Truth
from workers.rewards.extraction import after_thinking, final_box
from workers.rewards.fixed.latex import plain
from workers.rewards.reading import NOTHING_FOUND, Reading, TruthError

LETTERS = "ABCDEFGHIJ"
# The letter alone, in brackets, or followed by the option's text: "B", "(B)", "B) 0.36 g", "Option B: 0.36 g".
_BOXED = re.compile(r"(?:(?:the )?(?:answer|option|choice)(?: is)?\s*:?\s*)?\(?([A-J])\)?(?:$|[).:,\s])", re.IGNORECASE)
_SAID = re.compile(r"(?:answer|option|choice)(?:\s+is)?\s*:?\s*\**\(?([A-J])\b", re.IGNORECASE)


def score(text: str, truth: Truth) -> Reading:
    """1 where the box holds the right letter."""
    letter = _right_letter(truth)
    box = final_box(text)
    found = _BOXED.match(_without_markup(box)) if box is not None else None
    return Reading(float(found[1].upper() == letter)) if found else NOTHING_FOUND


def lenient_score(text: str, truth: Truth) -> float:
    """1 where the last sentence of the form "the answer is (B)" names the right letter."""
    said = _SAID.findall(after_thinking(text) or "")
    return float(bool(said) and said[-1].upper() == _right_letter(truth))


def _without_markup(box: str) -> str:
    return re.sub(r"\\(?:textbf|text|mathrm|mathbf)\s*|[{}$*]", "", box).strip() if len(box) > 1 else plain(box)


def _right_letter(truth: Truth) -> str:
    if isinstance(truth, str) and truth.strip() and truth.strip() in LETTERS and len(truth.strip()) == 1:
        return truth.strip()
    raise TruthError(f"the truth must be one letter from A to J, not {truth!r}")
