r"""LaTeX as the plain text that the study's comparison works on: `\frac{a}{b}` is a/b, `\sqrt{a}` is sqrt(a).

It covers the commands that occur in answers. Commands that are not known here vanish, and braces always do.
"""

from __future__ import annotations

import re

_PIECE = re.compile(r"\\[A-Za-z]+\s*|\\.|[{}]|\s+|.", re.DOTALL)
_SYMBOLS = {
    "pi": "pi", "infty": "inf", "cup": "U", "cdot": "*", "times": "*", "cap": "∩", "leq": "≤", "le": "≤", "geq": "≥",
    "ge": "≥", "neq": "≠", "ne": "≠", "pm": "±", "mp": "∓", "in": "∈", "to": "→", "rightarrow": "→", "circ": "∘",
    "emptyset": "∅", "varnothing": "∅", "ldots": "…", "cdots": "⋯", "dots": "…", "alpha": "α", "beta": "β",
    "gamma": "γ", "delta": "δ", "theta": "θ", "lambda": "λ", "mu": "μ", "phi": "ϕ", "varphi": "φ", "omega": "ω",
    "sigma": "σ", "rho": "ρ", "tau": "τ", "epsilon": "ϵ", "sin": "sin", "cos": "cos", "tan": "tan", "log": "log",
    "ln": "ln", "exp": "exp", "max": "max", "min": "min", "cot": "cot", "sec": "sec", "csc": "csc", "arctan": "arctan",
    "arcsin": "arcsin", "arccos": "arccos", "mid": "∣", "angle": "∠", "triangle": "△", "lfloor": "⌊", "rfloor": "⌋",
    "lceil": "⌈", "rceil": "⌉", "quad": "  ", "qquad": "    ", "mathbb": "", "div": "÷", "setminus": "∖",
    "subset": "⊂", "langle": "⟨", "rangle": "⟩", "mod": "mod", "gcd": "gcd",
}  # fmt: skip
_ESCAPED = {"\\,": " ", "\\;": " ", "\\:": " ", "\\ ": " ", "\\!": "", "\\\\": "\n"}
_SIGNS = str.maketrans({"√": "sqrt", "π": "pi", "∞": "inf", "∪": "U", "·": "*", "×": "*", "~": " "})


def as_text(latex: str) -> str:
    """The plain text of one answer, stripped. An argument that is missing is empty."""
    latex = latex.replace("\\tfrac", "\\frac").replace("\\dfrac", "\\frac").replace("\\frac", " \\frac")
    pieces = [each for each in _PIECE.findall(latex.replace("$", "")) if each]
    pieces.reverse()
    return _text(pieces).translate(_SIGNS).strip()


def _text(pieces: list[str]) -> str:
    """Use up the pieces, last first, to the end or to the brace that closes this group."""
    parts: list[str] = []
    while pieces:
        piece = pieces.pop()
        if piece == "}":
            break
        parts.append(_of_piece(piece, pieces))
    return "".join(parts)


def _of_piece(piece: str, pieces: list[str]) -> str:
    if piece == "{":
        return _text(pieces)
    name = piece[1:].rstrip() if len(piece) > 1 and piece[0] == "\\" else ""
    if name == "frac":
        return f"{_argument(pieces)}/{_argument(pieces)}"
    if name == "begin":
        return _environment(_argument(pieces), pieces)
    if name == "sqrt":
        return f"√({_argument(pieces, optional=True)})"
    if name.isalpha():
        return _SYMBOLS.get(name, "")
    return _ESCAPED.get(piece, piece[1:] if name else piece)


def _environment(name: str, pieces: list[str]) -> str:
    """A matrix in one line, its cells of one width; the contents of anything else."""
    parts: list[str] = []
    while pieces:
        piece = pieces.pop()
        if piece.rstrip() == "\\end":
            _argument(pieces)
            break
        parts.append(_of_piece(piece, pieces))
    if not name.endswith("matrix"):
        return "".join(parts)
    rows = [[cell.strip() for cell in row.split("&")] for row in "".join(parts).split("\n")]
    width = max(len(cell) for row in rows for cell in row)
    return f"[ {'; '.join(' '.join(cell.rjust(width) for cell in row) for row in rows)} ]"


def _argument(pieces: list[str], *, optional: bool = False) -> str:
    while pieces and pieces[-1].isspace():
        pieces.pop()
    if not pieces:
        return ""
    piece = pieces.pop()
    if optional and piece == "[":  # the degree of a root is lost, as in the study
        while pieces and pieces.pop() != "]":
            pass
        return _argument(pieces)
    return _of_piece(piece, pieces)
