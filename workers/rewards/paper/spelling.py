r"""The looser of the study's spellings, compared element by element: units gone, LaTeX as plain text, lower case.

Flaws: units vanish with their powers, from inside of words too ("months" is nothing); fractions must be in lowest
terms; a whole number is never compared with an expression; more than two letters are never compared with sympy.
"""

from __future__ import annotations

import re

from workers.rewards.paper.latex_text import as_text

_UNITS = (
    "degree", "cm", "centimeter", "meter", "mile", "second", "minute", "hour", "day", "week", "month", "year", "foot",
    "feet", "inch", "yard", "liter",
)  # fmt: skip
_WORDS = (
    ("\\%", "%"), ("\\$", "$"), ("$", ""), ("%", ""), (" or ", " , "), (" and ", " , "), ("million", "*10^6"),
    ("billion", "*10^9"), ("trillion", "*10^12"),
)  # fmt: skip
_ENCLOSED = re.compile(r"^\\text\{(.+?)\}$")
_GROUPED = re.compile(r"(\d),(\d\d\d)($|\D)")
_FRACTION = re.compile(r"^-?[0-9]+.?/0*[1-9][0-9]*.?$")
_LONG_POWER = re.compile(r"\^[0-9]+\^|\^[0-9][0-9]+")
_BRACKETS = "()[]"


def equal(gold: str, answer: str) -> bool:
    """Whether both have one spelling, or as many elements in the same brackets, each equal."""
    mine, theirs = spelled(gold), spelled(answer)
    if mine == theirs:
        return True
    golds, answers = _elements(mine), _elements(theirs)
    if not theirs or len(golds) != len(answers):
        return False
    if len(golds) > 1 and (mine[0] != theirs[0] or mine[-1] != theirs[-1]):
        return False
    return all(_element_equal(*pair) for pair in zip(golds, answers, strict=True))


def spelled(text: str) -> str:
    """The spelling of one answer."""
    enclosed = _ENCLOSED.search(text)
    text = enclosed[1] if enclosed else text
    for word, replacement in _WORDS:
        text = text.replace(word, replacement)
    for unit in _UNITS:
        text = re.sub(rf"{unit}(es)?(s)? *(\^[0-9]+)?", "", text)
    text = re.sub(r"\^ *\\circ", "", text)
    text = text[1:-1] if text and text[0] == "{" and text[-1] == "}" else text
    text = re.sub(r",\\! *", "", text)
    value = _number(text)
    text = str(round(value)) if value is not None and _is_whole(value) else text
    text = as_text(text) if "\\" in text else text
    text = re.sub("([0-9]) +([0-9])", r"\1+\2", re.sub("- *", "-", text)).lower()  # 7 3/4 is 7+3/4
    return str(int(float(text.replace(",", "")))) if _says_whole(text) else text


def _element_equal(gold: str, answer: str) -> bool:
    if _FRACTION.search(gold) and _FRACTION.search(answer):
        return gold == answer
    if _says_whole(gold) != _says_whole(answer):
        return False
    return _sympy_equal(f"({gold})-({answer})")


def _sympy_equal(difference: str) -> bool:
    letters = {each for each in difference.replace("sqrt", "").replace("frac", "") if each.isalpha()}
    if len(letters) > 2 or "^{" in difference or "^(" in difference or _LONG_POWER.search(difference):
        return False
    from sympy import simplify  # type: ignore[import-untyped]
    from sympy.parsing import sympy_parser  # type: ignore[import-untyped]

    rules = (*sympy_parser.standard_transformations, sympy_parser.implicit_multiplication_application)
    try:
        return bool(simplify(sympy_parser.parse_expr(difference.replace("^", "**"), transformations=rules)) == 0)
    except Exception:  # whatever evaluating a model's text can raise: the study took all of it for unequal
        return False


def _elements(text: str) -> list[str]:
    text = _without_grouping(text)
    if not text:
        return []
    inside = text[1:-1]
    if len(text) > 2 and text[0] in _BRACKETS and text[-1] in _BRACKETS and not set(inside) & set(_BRACKETS):
        return [each.strip() for each in inside.split(",")]
    return [text]


def _without_grouping(text: str) -> str:
    shorter = _GROUPED.sub(r"\1\2\3", text)
    return shorter if shorter == text else _without_grouping(shorter)


def _says_whole(text: str) -> bool:
    value = _number(_without_grouping(text))
    return value is not None and _is_whole(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_whole(value: float) -> bool:
    return abs(value) < float("inf") and abs(value - round(value)) <= 1e-7
