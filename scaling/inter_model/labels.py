"""The label of a forecast. It is computed from row sets and never passed in.

Whoever lets a scored row into the estimation, if only to set the level of the curve, gets `oracle_level`, which is not
a prediction.
"""

from collections.abc import Collection

from scaling.inter_model.results import Mode


def mode_of(*, seen: Collection[int], level: Collection[int], scored: Collection[int], held_out: bool) -> Mode:
    """Label a forecast from the rows that the estimation saw, those that set the level, and those it is scored on."""
    used = set(seen) | set(level)
    if used & set(scored):
        return "oracle_level" if held_out else "in_sample"
    return "kshot" if level else "zero_shot"
