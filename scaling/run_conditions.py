"""Conditions of the runs that bear on every law: truncated answers, and the order of the prompts."""

import numpy as np

from scaling.observations import FloatArray, Observations
from scaling.results import Check
from scaling.wording import short

TRUNCATED = 0.1
TRUNCATION_WINDOW = 3  # evaluations: a single step can be cut more by chance


def check_truncation(observations: Observations) -> Check:
    """F13: answers cut at the token limit count as wrong, and their share tends to rise before a run breaks."""
    train = observations.where("train")
    known = train & ~np.isnan(observations.truncated_share)
    if not known.any():
        message = "The share of truncated completions is not recorded: see that it stays below 10%."
        return Check("F13", "note", None, TRUNCATED, None, message)
    peaks = {
        int(trial): _peak(observations.truncated_share[known & (observations.trial_id == trial)])
        for trial in np.unique(observations.trial_id[known])
    }
    worst = max(peaks, key=lambda trial: peaks[trial])
    size = int(observations.num_params[observations.trial_id == worst][0])
    over = sum(peak > TRUNCATED for peak in peaks.values())
    if not over:
        some = "" if len(peaks) == len(np.unique(observations.trial_id[train])) else " in the runs that record it"
        message = f"At most {peaks[worst]:.0%} of completions are truncated{some}."
        return Check("F13", "ok", peaks[worst], TRUNCATED, None, message)
    message = (
        f"Up to {peaks[worst]:.0%} of completions are cut at the token limit ({over} of {len(peaks)} runs above "
        f"{TRUNCATED:.0%}, worst at {short(size)}): a cut answer is scored as wrong, so part of the loss is length. "
        "Raise the limit or shorten answers, or end the window before."
    )
    return Check("F13", "warning", peaks[worst], TRUNCATED, size, message)


def check_curriculum() -> Check:
    """Always said: nothing in the evaluations tells how the prompts were ordered."""
    message = (
        "If prompts came in order of difficulty, it grows with x, and a slope measures both. Shuffle them in one run "
        "to see how much of it is the order; compare no slopes between orders."
    )
    return Check("ORDER", "note", None, None, None, message)


def _peak(share: FloatArray) -> float:
    """Highest mean of neighbouring evaluations."""
    window = min(TRUNCATION_WINDOW, len(share))
    return float(np.convolve(share, np.full(window, 1 / window), mode="valid").max())
