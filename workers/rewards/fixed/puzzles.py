"""Ordering puzzles and graph questions: the order in full, the one word, in the last answer tag."""

from __future__ import annotations

import re

from workers.rewards import Truth
from workers.rewards.extraction import final_tag
from workers.rewards.reading import NOTHING_FOUND, Reading, TruthError, structure


def ordering_score(text: str, truth: Truth) -> Reading:
    """1 where the tag lists the truth's names in its order; brackets and quotes are optional."""
    order = structure(truth)
    if not isinstance(order, list) or not order:
        raise TruthError("the truth must be a list of names in order")
    tag = final_tag(text)
    if not tag:
        return NOTHING_FOUND
    names = [_name(each) for each in tag.strip("[]() \n").split(",")]
    return Reading(float(names == [_name(str(each)) for each in order]))


def graph_score(text: str, truth: Truth) -> Reading:
    """1 where the tag holds the truth, whatever its case."""
    tag = final_tag(text)
    if not tag:
        return NOTHING_FOUND
    return Reading(float(_name(tag) == _name(str(truth))))


def _name(text: str) -> str:
    return re.sub(r"\s+", " ", text.strip(" \t\n\"'`.[]()")).casefold()
