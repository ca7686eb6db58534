"""ARC and BARC: 1 for the same grid in the last answer tag; the share of right cells stands beside it."""

from __future__ import annotations

import ast
import re
from typing import Any

from workers.rewards import Truth
from workers.rewards.extraction import final_tag
from workers.rewards.reading import NOTHING_FOUND, Reading, TruthError, structure

_GRID = re.compile(r"\[\s*\[.*?\]\s*\]", re.DOTALL)


def score(text: str, truth: Truth) -> Reading:
    """Compare whole numbers cell by cell; a grid of another shape is wrong, its overlap counts for `lenient`."""
    right = _rectangle(structure(truth))
    if right is None:
        raise TruthError("the truth must be a grid: rows of whole numbers, all of one length")
    given = _answer(final_tag(text))
    if given is None:
        return NOTHING_FOUND
    cells = max(len(right), len(given)) * max(len(right[0]), len(given[0]))
    same = sum(a == b for mine, theirs in zip(right, given, strict=False) for a, b in zip(mine, theirs, strict=False))
    return Reading(float(right == given), lenient=same / cells)


def _answer(tag: str | None) -> list[list[int]] | None:
    found = _GRID.search(tag) if tag is not None else None
    try:
        return _rectangle(ast.literal_eval(found[0])) if found else None
    except (ValueError, SyntaxError, TypeError, RecursionError):
        return None


def _rectangle(grid: Any) -> list[list[int]] | None:
    rows = [list(row) for row in grid] if all(isinstance(row, list | tuple) for row in grid) else []
    if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
        return None
    return rows if all(type(cell) is int for row in rows for cell in row) else None
