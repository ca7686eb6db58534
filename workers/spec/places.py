"""Where a model or a set of prompts is: a path on this machine, or a name on the hub. Nothing is looked up there.

The text alone decides which of the two it is, so that a folder that happens to be here never takes the place of
what the hub has under that name.
"""

from __future__ import annotations

import re
from functools import lru_cache

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_PATH = re.compile(r"/|~|\.{1,2}(/|$)")


@lru_cache(maxsize=1024)
def is_path(place: str) -> bool:
    """Whether it is written as a path, from `/`, `./`, `../` or `~` on."""
    return _PATH.match(place) is not None


@lru_cache(maxsize=1024)
def reason_against_place(place: str) -> str | None:
    """Why it is neither a path nor a name on the hub; None if it is one of them."""
    if is_path(place) or (HUB_NAME.fullmatch(place) and not place.endswith(".parquet")):
        return None
    return f"found '{place}', expected a hub id such as org/name, or a path such as ./name"
