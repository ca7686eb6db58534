"""Ordering puzzles and graph questions as the study judged them: the exact list, the one word.

Flaws: an answer tag that spans lines is not seen; a graph's answer must be letters alone. The study evaluated as Python
what did not look like a list; here that is no answer.
"""

from __future__ import annotations

import re

from workers.rewards import Truth
from workers.rewards.reading import NOTHING_FOUND, Reading, TruthError, structure

_LIST = re.compile(r"\[[^\]]+\]")
_NAME = re.compile(r"[\w\s]+")


def ordering_score(text: str, truth: Truth) -> Reading:
    """1 where the tag's first list holds the names of the truth in its order, in lower case."""
    order = structure(truth)
    if not isinstance(order, list):
        raise TruthError("the truth must be a list of names in order")
    listed = _LIST.search(_tag(text) or "")
    if listed is None:
        return NOTHING_FOUND
    names = [name.lower().strip() for name in _NAME.findall(listed[0]) if name.strip()]
    return Reading(float(names == order))


def graph_score(text: str, truth: Truth) -> Reading:
    """1 where the tag holds the truth, whatever its case."""
    tag = _tag(text)
    if tag is None or not re.fullmatch("[A-Za-z]+", tag):
        return NOTHING_FOUND
    return Reading(float(tag.lower() == str(truth).lower()))


def _tag(text: str) -> str | None:
    tags = re.findall(r"<answer>(.*?)</answer>", text)
    return str(tags[-1]).strip() if tags else None
