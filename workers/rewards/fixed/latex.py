r"""Small repairs that make an answer readable for math-verify, and a plain form in which equal texts are equal.

Repaired: golds whose backslashes were escaped twice, Unicode signs, `\left\lfloor`, `\binom52`, `1e5`,
`12 000`, `1 1/2`, `18 dollars`,
`0.\overline{3}`.
"""

from __future__ import annotations

import re

_SIGNS = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "÷": "/", "√": r"\sqrt ", "∞": r"\infty ", "π": r"\pi ",
    "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "±": r"\pm ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "∅": r"\emptyset ", "°": r"^\circ ", "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}",
    "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "²": "^2", "³": "^3", "θ": r"\theta ", "α": r"\alpha ",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "，": ",",
}  # fmt: skip
_EACH_SIGN = str.maketrans(_SIGNS)
_ROOT = re.compile(r"√\s*(\d+|[A-Za-z])")
_TWICE_ESCAPED = re.compile(r"\\\\(?=[A-Za-z{}%$,!;])")
_SIZED_FLOOR = re.compile(r"\\(?:left|right)\s*(?=\\[lr](?:floor|ceil))")
_BINOMIAL = re.compile(r"\\binom\s*(\d)\s*(\d)")
_ALTERNATIVE = re.compile(r"\\text\s*\{\s*(?:or|and)\s*\}", re.IGNORECASE)
_EXPONENT = re.compile(r"([+-]?\d+(?:\.\d+)?)[eE]([+-]?\d+)")
_REPEATING = re.compile(r"(-?)(\d+)\.(\d*)\\overline\s*\{(\d+)\}")
_SPACED_THOUSANDS = re.compile(r"-?\d{1,3}(?:(?: |\\ |\\,)\d{3})+(?:\.\d+)?")
_MIXED = re.compile(r"(-?\d+) +(\d+)/(\d+)")
# A count and what was counted. "5 or 6" and "18 million" say more than the number.
_COUNTED = re.compile(
    r"(-?\d[\d,]*(?:\.\d+)?) +(?!.*\b(?:or|and|to|hundred|thousand|million|billion|trillion|dozen|factorial)\b)"
    r"[A-Za-z]{3,}(?: [A-Za-z]+)*"
)
_SPACING = re.compile(r"\s+|\\[,;:!]|\\ |\\q?quad\b|~")
_SIZES = re.compile(r"\\(?:left|right|big|Big|bigg|Bigg|displaystyle)(?![A-Za-z])")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|textit|mathbf|mbox)\s*\{([^{}]*)\}")


def repaired(latex: str) -> str:
    """The same answer in the LaTeX that math-verify reads."""
    latex = latex.strip().strip("$").strip()
    if not re.search(r"(?<!\\)\\begin", latex):  # between the rows of a matrix the two backslashes belong
        latex = _TWICE_ESCAPED.sub(r"\\", latex)
    latex = _ROOT.sub(r"\\sqrt{\1}", latex).translate(_EACH_SIGN)
    latex = _BINOMIAL.sub(r"\\binom{\1}{\2}", _SIZED_FLOOR.sub("", latex))
    latex = _ALTERNATIVE.sub(lambda found: found[0].lower(), latex)
    return _repaired_number(latex)


def _repaired_number(latex: str) -> str:
    if _SPACED_THOUSANDS.fullmatch(latex):
        return re.sub(r"[ \\,]", "", latex)
    if counted := _COUNTED.fullmatch(latex):
        return counted[1]
    if exponent := _EXPONENT.fullmatch(latex):
        return f"{exponent[1]} \\times 10^{{{exponent[2]}}}"
    latex = _MIXED.sub(r"\1\\frac{\2}{\3}", latex) if _MIXED.fullmatch(latex) else latex
    return _REPEATING.sub(_as_fraction, latex)


def _as_fraction(repeating: re.Match[str]) -> str:
    sign, whole, fixed, period = repeating.groups()
    numerator = int(whole + fixed + period) - int(whole + fixed)
    return f"{sign}\\frac{{{numerator}}}{{{10 ** len(fixed) * (10 ** len(period) - 1)}}}"


def plain(latex: str) -> str:
    """One spelling for texts that differ in spacing, sizes of brackets, `\\text` and signs alone."""
    latex = _TEXT.sub(r"\1", _SIZES.sub("", repaired(latex)))
    latex = re.sub(r"\\[dt]frac(?![A-Za-z])", r"\\frac", latex).strip()
    if re.fullmatch(r"[A-Za-z][A-Za-z .'-]*", latex):
        return " ".join(latex.split()).rstrip(".")
    return _SPACING.sub("", latex).rstrip(".")
