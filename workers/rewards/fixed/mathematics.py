r"""Whether a boxed maths answer equals the truth: as text, as whole numbers, as words, else by math-verify.

The box is required and the last one counts. A truth may be a list of golds, each of which is right. A truth that
cannot be read raises TruthError unless the answer is the same text. Nothing here limits time: the worker process does.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any

from workers.rewards import Truth
from workers.rewards.extraction import after_thinking, final_box
from workers.rewards.fixed.latex import plain, repaired
from workers.rewards.reading import NOTHING_FOUND, Reading, TruthError

LONGEST_ANSWER = 2_000  # characters in a box; more is no answer, and a parser would take its whole time over it
LENIENT_CHARACTERS = 300  # where an answer without a box is looked for: the end, as long as a long final sentence

_WHOLE_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)")
_WORDS = re.compile(r"[A-Za-z]{4,}(?:[ '-][A-Za-z]+)*")

# It warns whenever its own time-outs are off and whenever a comparison fails; verdicts carry both.
logging.getLogger("math_verify").setLevel(logging.CRITICAL)


def score(text: str, truth: Truth) -> Reading:
    """1 where the last box holds one of the golds."""
    box = final_box(text)
    return NOTHING_FOUND if box is None else judge(box, truth)


def judge(answer: str, truth: Truth) -> Reading:
    """An answer that was found, against the golds; nothing is found in one that cannot be read."""
    return _judged(answer, _golds(truth))


def _golds(truth: Truth) -> tuple[str, ...]:
    return (truth,) if isinstance(truth, str) else tuple(str(gold) for gold in truth)


@lru_cache(maxsize=4096)  # the completions of a prompt tend to agree
def _judged(answer: str, golds: tuple[str, ...]) -> Reading:
    if not any(gold.strip() for gold in golds):
        raise TruthError("the truth is empty")
    if any(plain(gold) == plain(answer) for gold in golds):
        return Reading(1.0)
    if len(answer) > LONGEST_ANSWER:
        return NOTHING_FOUND
    compared = [gold for gold in golds if not _differ_at_sight(gold, answer)]
    if not compared:
        return Reading(0.0)
    expressions = read(answer)
    readable = [read(gold) for gold in compared]
    if not all(readable):
        raise TruthError(f"the truth cannot be read as mathematics: {compared[readable.index(())][:80]!r}")
    if not expressions:
        return NOTHING_FOUND
    return Reading(float(_any_equal([each for gold in readable for each in gold], expressions)))


def lenient_score(text: str, truth: Truth) -> float:
    """1 where math-verify finds a gold in the last sentences of an answer without a box."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig

    rest = after_thinking(text) or ""
    expressions = _expressions(rest[-LENIENT_CHARACTERS:], LatexExtractionConfig(), ExprExtractionConfig())
    return float(_any_equal([each for gold in _golds(truth) for each in read(gold)], expressions))


@lru_cache(maxsize=4096)
def read(latex: str) -> tuple[Any, ...]:
    """The expressions that math-verify sees in one answer; none where it sees only text."""
    from math_verify import LatexExtractionConfig

    # LaTeX alone: the other extraction takes the number that a text begins with for the whole of it.
    return _expressions(f"\\boxed{{{repaired(latex)}}}", LatexExtractionConfig(boxed_match_priority=0))


def _expressions(text: str, *targets: Any) -> tuple[Any, ...]:
    from math_verify import parse

    found = parse(text, targets, parsing_timeout=None, raise_on_error=True)
    return tuple(each for each in found if not isinstance(each, str))


def _differ_at_sight(gold: str, answer: str) -> bool:
    """Whether both are whole numbers, or words, and not the same: a parser would only make products of the letters."""
    mine, theirs = plain(gold), plain(answer)
    if _WHOLE_NUMBER.fullmatch(mine) and _WHOLE_NUMBER.fullmatch(theirs):
        return _digits(mine) != _digits(theirs)
    return bool(_WORDS.fullmatch(mine)) and mine.casefold() != theirs.casefold()


def _digits(number: str) -> tuple[bool, str]:
    """Sign and digits: comparing them needs no limit on how many there are."""
    digits = number.lstrip("+-").replace(",", "").lstrip("0")
    return number.startswith("-") and bool(digits), digits


def _any_equal(golds: list[Any], answers: tuple[Any, ...]) -> bool:
    failures: list[Exception] = []
    if any(_equal(gold, answer, failures) for gold in golds for answer in answers):
        return True
    if failures:
        raise failures[0]
    return False


def _equal(gold: Any, answer: Any, failures: list[Exception]) -> bool:
    from math_verify import verify

    try:
        # The gold comes first: math-verify reads an equation in the answer as a value, not one in the gold.
        return bool(verify(gold, answer, allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True))
    except Exception as error:
        failures.append(error)  # another pair may still be equal; `_any_equal` raises it where none is
        return False
