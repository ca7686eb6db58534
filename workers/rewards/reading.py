"""What a scorer gives back, and how it says that the truth, not the answer, is at fault."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from workers.rewards import Truth


@dataclass(frozen=True, slots=True)
class Reading:
    """A score in [0, 1]; whether an answer was found at all; the forgiving score where the scorer has one at hand."""

    score: float
    found: bool = True
    lenient: float | None = None


NOTHING_FOUND = Reading(0.0, found=False)


class TruthError(Exception):
    """The gold answer is not what its scorer needs: an error of the data, never of the answer."""


def structure(truth: Truth) -> Any:
    """A puzzle's truth: a list or mapping as it is, or the JSON text of one."""
    if not isinstance(truth, str):
        return truth
    try:
        return json.loads(truth)
    except ValueError as error:
        raise TruthError(f"the truth must be a list or a mapping, or the JSON text of one: {truth[:80]!r}") from error
