r"""The study's comparison of numbers and lists: a ten-thousandth off, or a hundred times more or less, is equal.

What it meant to do with sympy never ran: its time limit was used in a way that always failed. Flaws: `1,2` is the
number 12; a base (`101_2`) is cut off, and a subscript that follows no number is an error; brackets vanish.
"""

from __future__ import annotations

import re
from math import isclose

_LONGEST = 1000
_DOLLARS = re.compile(r"\$\d+(\.\d+)?")
_PERCENT = re.compile(r"\d+(\.\d+)?\\?%")
_INTERVALS = {"": "[]", ".Ropen": "[)", ".Lopen": "(]", ".open": "()"}
_INTERVAL = re.compile(r"^Interval(|\.Ropen|\.Lopen|\.open)\((.*)\)$")


def equal(answer: str, gold: str) -> bool:
    """Whether the two are one. Raises ValueError, IndexError or OverflowError on what the study choked on."""
    theirs, mine = _tidy(answer)[:_LONGEST], _tidy(gold)
    if theirs.strip().lower() == mine.strip().lower() or theirs.replace(" ", "") == mine.replace(" ", ""):
        return True
    given, right = _number(theirs), _number(mine)
    if given is not None and right is not None:
        return any(isclose(each, given, rel_tol=1e-4) for each in (right / 100, right, right * 100))
    return bool(theirs) and _equal_in_parts(_as_brackets(theirs.strip()), mine.strip())


def _equal_in_parts(answer: str, gold: str) -> bool:
    if _without_brackets(answer, gold) == _without_brackets(gold, answer, of_gold=True):
        return True
    in_brackets = answer and gold and answer[0] in "([" and answer[-1] in ")]"
    if (
        in_brackets
        and (answer[0], answer[-1]) == (gold[0], gold[-1])
        and _all_equal(answer[1:-1].split(","), gold[1:-1].split(","))
    ):
        return True
    if "," in answer and "," in gold:
        parts, golds = ([each.strip() for each in text.split(",")] for text in (answer, gold))
        if len(parts) == len(golds):
            return _all_equal(parts, golds)
    if answer.startswith("Point") and gold[0] == "(" and gold[-1] == ")":
        return _all_equal(answer[answer.find("(") + 1 : -1].split(","), gold[1:-1].split(","))
    return False


def _all_equal(answers: list[str], golds: list[str]) -> bool:
    # A list, not a generator: every pair is compared, so that a pair that fails makes the whole fail.
    return len(answers) == len(golds) and all([equal(*pair) for pair in zip(answers, golds, strict=True)])  # noqa: C419


def _without_brackets(text: str, other: str, *, of_gold: bool = False) -> str:
    answer, gold = (other, text) if of_gold else (text, other)
    square = answer.startswith("[") and answer.endswith("]") and not gold.startswith("(")
    round_ = answer.startswith("(") and answer.endswith(")") and not gold.startswith("[")
    text = text.strip("[]()") if square or round_ else text
    return re.sub(r"[{}()]", "", text)


def _as_brackets(text: str) -> str:
    interval = _INTERVAL.match(text)
    if interval is None:
        return text
    brackets = _INTERVALS[interval[1]]
    return f"{brackets[0]}{interval[2]}{brackets[1]}"


def _tidy(text: str) -> str:
    if _DOLLARS.match(text):
        return text[1:]
    if _PERCENT.fullmatch(text):
        return text.replace("\\%", "").replace("%", "")
    return str(int(float(text.partition("_")[0]))) if "_" in text else text


def _number(text: str) -> float | None:
    try:
        return float(text.replace("{,}", "") if "{,}" in text else text.replace(",", ""))
    except ValueError:
        return None
