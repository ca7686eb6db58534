"""Zebra puzzles as the study judged them: the share of right cells, by place, not whether the puzzle was solved.

Flaws: an answer whose columns are in another order is wrong; one of another shape is 0; an answer tag that spans lines
is not seen.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from workers.rewards import Truth
from workers.rewards.reading import NOTHING_FOUND, Reading, TruthError, structure


def score(text: str, truth: Truth) -> Reading:
    """The share of cells, the position column included."""
    grid = structure(truth)
    if not isinstance(grid, dict) or not grid.get("rows") or not grid.get("header"):
        raise TruthError("the truth must be a grid: `header` and `rows`")
    tags = re.findall(r"<answer>(.*?)</answer>", text)
    answer = _literal(tags[-1].strip()) if tags else None
    return NOTHING_FOUND if answer is None else Reading(_share(answer, grid))


def _share(answer: Any, grid: dict[str, Any]) -> float:
    height, width = len(grid["rows"]), len(grid["header"])
    try:
        cells = [answer["rows"][row][column] for row in range(height) for column in range(width)]
    except (TypeError, KeyError, IndexError):
        return 0.0
    right = [grid["rows"][row][column] for row in range(height) for column in range(width)]
    return float(sum(a == b for a, b in zip(cells, right, strict=True)) / (height * width))


def _literal(text: str) -> Any:
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
        except (TypeError, RecursionError, MemoryError):
            return None
    return None
