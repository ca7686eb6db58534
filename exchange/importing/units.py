"""Units that a column may be in, by name or as a plain factor, and what they make of its numbers.

Units are never guessed: a column is in our unit (parameters, prompts, tokens, FLOPs, seconds, shares of one) unless
the user names another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_SCALES = {"thousands": 1e3, "millions": 1e6, "billions": 1e9, "trillions": 1e12}
_TIMES = {"milliseconds": 1e-3, "minutes": 60.0, "hours": 3600.0, "days": 86400.0}
_FLOPS = {"teraflops": 1e12, "petaflops": 1e15, "exaflops": 1e18, "zettaflops": 1e21, "pf-days": 1e15 * 86400.0}

UNITS: dict[str, dict[str, float]] = {
    "amount": _SCALES,
    "flops": _SCALES | _FLOPS,
    "seconds": _TIMES,
    "share": {"percent": 0.01},
    "step": {"from-zero": 1.0},
    "number": {},
}


@dataclass(frozen=True)
class Unit:
    """Our value is `scale` x the column's value + `offset`."""

    name: str = ""
    scale: float = 1.0
    offset: float = 0.0


OURS = Unit()


def unit_named(name: str, quantity: str) -> Unit:
    """The unit of that name for a quantity; a positive number is a factor. ValueError says what there is instead."""
    known = UNITS[quantity]
    if name in known:
        return Unit(name, offset=known[name]) if quantity == "step" else Unit(name, scale=known[name])
    try:
        scale = float(name)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale > 0):
        choices = ", ".join([*known, "a positive factor such as 1e18"])
        raise ValueError(f"{name!r} is not a unit for it; choose from {choices}")
    return Unit(name, scale=scale)
