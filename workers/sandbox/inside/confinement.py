"""The first thing inside a sandbox: give up the last privileges and take the limits on, before any foreign code."""

from __future__ import annotations

import os
import resource

# Types for the checker of types alone: `typing` would make every start of a sandbox a third slower.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def confine(*, user: int | None, resources: Sequence[tuple[int, int, int]]) -> None:
    """Become `user` where the sandbox was made by root, and lower every limit; neither can be undone from inside."""
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for number, soft, hard in resources:
        resource.setrlimit(number, (soft, hard))
