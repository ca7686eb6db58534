r"""Maths answers as the study judged them: four readings, one after the other, and any of them suffices.

1. The last `\boxed` (or `\fbox`) after `</think>`, else the whole text, in the spelling of `mathd`.
2. The same in the looser spelling of `spelling`, element by element, with sympy where an element is short and tame.
3. `tolerant`: numbers to 1e-4, and a hundred times more or less. Never with a pi in it: a misspelt argument.
4. math-verify on the whole text, where a number anywhere can be taken for the answer.

Flaws: no box is needed; 50 is right for 0.5; units, per cents and powers of units vanish; `x=5` is right for 5
only while the name is short; a time-out inside one reading could switch off the limit of all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from workers.rewards import Truth
from workers.rewards.paper import mathd, spelling, tolerant
from workers.rewards.reading import Reading


def score(text: str, truth: Truth) -> Reading:
    """1 where one of the four readings says so. A list of golds is taken as its text, as the study did."""
    gold = str(truth)
    box = _box(text.rpartition("</think>")[2])
    answer = box or text.rpartition("</think>")[2]
    if mathd.equal(gold, answer) or spelling.equal(gold, answer) or _tolerant_equal(gold, answer):
        return Reading(1.0)
    found = found_by_math_verify(text, gold)
    return Reading(float(found), found=found or bool(box))


def found_by_math_verify(text: str, gold: str) -> bool:
    """Whether math-verify, as it comes, finds the gold in a text."""
    from math_verify import verify

    return bool(verify(_gold_expressions(gold), _expressions(text), timeout_seconds=None, raise_on_error=False))


def _expressions(text: str) -> list[Any]:
    from math_verify import parse

    found: list[Any] = parse(text, parsing_timeout=None, raise_on_error=True)
    return found


_gold_expressions = lru_cache(maxsize=4096)(_expressions)


def _tolerant_equal(gold: str, answer: str) -> bool:
    if "\\pi" in gold or "\\pi" in answer:
        return False
    try:
        return tolerant.equal(answer, gold)
    except (ValueError, IndexError, OverflowError):
        return False  # a subscript that follows no number, an empty element: the study took these for wrong


def _box(text: str) -> str | None:
    """What the first braces after the last box hold, whatever stands between them; escaped braces count too."""
    start = text.rfind("\\boxed")
    start = start if start >= 0 else text.rfind("\\fbox")
    opening = text.find("{", start)
    if start < 0 or opening < 0:
        return None
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[opening + 1 : place].strip()
    return None
