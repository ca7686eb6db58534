"""Seeds of the completions that a trial draws: a hash, so that no two of them have anything in common."""

from __future__ import annotations

import hashlib


def draw_seed(trial_seed: int, *, block: int, draw: int = 0, rank: int = 0) -> int:
    """The seed of one draw: the trial's, the block's number from 0, which draw of the block, and which engine.

    31 bits, which every generator takes.
    """
    digest = hashlib.sha256(f"rlsweep draw {trial_seed} {block} {draw} {rank}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
