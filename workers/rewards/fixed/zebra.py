"""Zebra puzzles: 1 for a grid that is right in every cell; the share of right cells stands beside it, as `lenient`."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from workers.rewards import Truth
from workers.rewards.extraction import final_tag
from workers.rewards.reading import NOTHING_FOUND, Reading, TruthError, structure


def score(text: str, truth: Truth) -> Reading:
    """Compare by column name, whatever the order of the columns, and row by row; letters' case does not matter."""
    header, rows = _solution(truth)
    answer = _grid(final_tag(text))
    if answer is None:
        return NOTHING_FOUND
    columns, given = answer
    right = sum(
        number < len(given) and _cell(given[number], columns.get(name)) == _same(cell)
        for number, row in enumerate(rows)
        for name, cell in zip(header, row, strict=True)
    )
    cells = len(header) * len(rows)
    whole = right == cells and len(given) == len(rows) and len(columns) == len(header)
    return Reading(float(whole), lenient=right / cells)


def _solution(truth: Truth) -> tuple[list[str], list[list[Any]]]:
    solution = structure(truth)
    header, rows = (solution.get("header"), solution.get("rows")) if isinstance(solution, Mapping) else (None, None)
    if not header or not rows or any(len(row) != len(header) for row in rows):
        raise TruthError("the truth must be a grid: `header` and `rows` of the same width")
    return [_same(name) for name in header], [list(row) for row in rows]


def _grid(tag: str | None) -> tuple[dict[str, int], list[list[Any]]] | None:
    grid = _literal(tag) if tag is not None else None
    header, rows = (grid.get("header"), grid.get("rows")) if isinstance(grid, dict) else (None, None)
    if not isinstance(header, list) or not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return None
    return {_same(name): place for place, name in enumerate(header)}, rows


def _literal(text: str) -> object:
    """JSON, or the Python literal that models like to write; None where it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError):
            continue
    return None


def _cell(row: list[Any], place: int | None) -> str | None:
    return _same(row[place]) if place is not None and place < len(row) else None


def _same(value: object) -> str:
    return str(value).strip().casefold()
