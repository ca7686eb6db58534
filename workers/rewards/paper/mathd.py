r"""The spelling in which MATH compared its answers: brackets, units, fractions and roots written one way.

Flaws: `0.5` is one half but `0.25` is no quarter; a per cent sign and what follows the first `\text{ ` vanish; a name
of at most two letters before `=` vanishes; an answer with two units, or that ends in `\frac` or `\sqrt`,
stays as it is.
"""

from __future__ import annotations

import re

_DROPPED = ("\\left", "\\right", "^{\\circ}", "^\\circ", "\\$")
_WHOLE = re.compile(r"(-?(?:0|[1-9]\d*))/(-?(?:0|[1-9]\d*))")
_ENCLOSED = re.compile(r"^\\text\{(.+?)\}$")


def equal(gold: str, answer: str) -> bool:
    """Whether both have one spelling."""
    return spelled(gold) == spelled(answer)


def spelled(answer: str) -> str:
    """The spelling of one answer, or the answer itself where this fails on it."""
    answer = answer.strip()
    enclosed = _ENCLOSED.search(answer)
    answer = enclosed[1].strip() if enclosed else answer
    try:
        return _spelled(answer)
    except (IndexError, ValueError):
        return answer


def _spelled(text: str) -> str:
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    for word in _DROPPED:
        text = text.replace(word, "")
    text = _without_units(text).replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    text = "0" + text if text[0] == "." else text
    sides = text.split("=")
    text = sides[1] if len(sides) == 2 and len(sides[0]) <= 2 else text
    text = _with_braced_fractions(_with_braced_roots(text).replace(" ", ""))
    text = "\\frac{1}{2}" if text == "0.5" else text
    quotient = _WHOLE.fullmatch(text)
    return f"\\frac{{{quotient[1]}}}{{{quotient[2]}}}" if quotient and "-0" not in quotient.groups() else text


def _without_units(text: str) -> str:
    parts = text.split("\\text{ ")
    if len(parts) > 2:
        raise ValueError("two units")
    return parts[0]


def _with_braced_roots(text: str) -> str:
    first, *rest = text.split("\\sqrt")
    return first + "".join("\\sqrt" + (part if part[0] == "{" else f"{{{part[0]}}}{part[1:]}") for part in rest)


def _with_braced_fractions(text: str) -> str:
    first, *rest = text.split("\\frac")
    if any(part[0] != "{" and len(part) < 2 for part in rest):
        return text
    return first + "".join(map(_braced_fraction, rest))


def _braced_fraction(part: str) -> str:
    if part[0] == "{":
        return "\\frac" + part
    numerator, denominator, rest = part[0], part[1], part[2:]
    return f"\\frac{{{numerator}}}" + (denominator + rest if denominator == "{" else f"{{{denominator}}}{rest}")
