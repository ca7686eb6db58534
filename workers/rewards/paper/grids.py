"""ARC and BARC as the study judged them: 1 for the same grid. Flaw: no answer is the grid [[0]], which can be right."""

from __future__ import annotations

import ast
import re
from typing import Any

from workers.rewards import Truth
from workers.rewards.reading import Reading, structure

_NO_GRID = [[0]]


def score(text: str, truth: Truth) -> Reading:
    """1 where the last tag's grid has the truth's shape and cells; an ellipsis is a cell that is never right."""
    right = [[int(cell) for cell in row] for row in structure(truth)]
    tags = re.findall(r"<answer>(.*?)</answer>", text, flags=re.DOTALL)
    given = _grid(tags[-1]) if tags else None
    return Reading(float((given or _NO_GRID) == right), found=given is not None)


def _grid(tag: str) -> list[list[int]] | None:
    tag = tag.replace("\n", "").replace("...", "-1")
    start = tag.find("[[")
    end = tag.find("]]", start)
    if start < 0 or end < 0:
        return None
    try:
        return _whole_numbers(ast.literal_eval(tag[start : end + 2]))
    except (ValueError, SyntaxError, TypeError, RecursionError, OverflowError):
        return None


def _whole_numbers(grid: Any) -> list[list[int]] | None:
    rows = [[int(cell) for cell in row] for row in grid]
    return rows if len({len(row) for row in rows}) == 1 else None
