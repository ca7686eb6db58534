"""Where the curve of a size lies: from its own evaluations, or from a line in ln N through the nearest sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scaling.inter_model.estimate import Estimate
from scaling.regression.bootstrap import Z
from scaling.regression.spread import t_quantile

LEVEL_SIZES = 4  # the level of an unseen size comes from so many


@dataclass(frozen=True)
class Level:
    """ln L of a curve at `centre`, a ln x. `off`: scale of the normal draws of what it may be off, 0 if not known."""

    log_loss: float
    centre: float
    off: float = 0.0

    @property
    def half_width(self) -> float:
        """Of the 95% interval of `log_loss`."""
        return Z * self.off


def seen_level(estimate: Estimate, size: int) -> Level:
    """At the middle of the evaluations of the size with this index, mean over its runs."""
    moments, runs = estimate.law_moments, estimate.design.runs_of(size)
    centre = float(np.mean(moments.run_x[runs]))
    k = estimate.law_slopes()[size]
    return Level(float(np.mean(moments.run_y[runs] + k * (moments.run_x[runs] - centre))), centre)


def unseen_level(estimate: Estimate, num_params: float, *, is_budget: bool) -> Level:
    """Of a size of which nothing was seen: on a line in ln N at the earliest x that the nearest sizes share.

    The scatter about that line is what a level may be off. On an axis where sizes cost differently (`is_budget`) no x
    is early for all of them: at one x, a small size has learned for long and a large one has hardly begun, so that k(N)
    bends the line, and a level read there is off by as much (9% of the loss on a ladder from .5B to 72B). There each
    level is taken where the size begins, on a line of ln x in ln N.
    """
    design, free = estimate.design, estimate.free
    log_n, at = np.log(design.sizes), math.log(num_params)
    starts = np.array([float(design.log_x[design.size == index].min()) for index in range(design.num_sizes)])
    start, begins = float(starts.max()), np.full_like(starts, starts.max())
    if is_budget:
        rise = np.polyfit(log_n - at, starts, 1)
        start, begins = float(rise[1]), np.polyval(rise, log_n - at)
    run_level = free.run_y + free.slopes[design.run_size] * (free.run_x - begins[design.run_size])
    levels = np.bincount(design.run_size, run_level) / np.bincount(design.run_size)
    nearest = np.sort(np.argsort(np.abs(log_n - at), kind="stable")[:LEVEL_SIZES])
    z, y = log_n[nearest], levels[nearest]
    reach, centred, df = at - z.mean(), z - z.mean(), len(z) - 2
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    variance = float(residual @ residual) / df * (1 + 1 / len(z) + reach**2 / float(centred @ centred))
    return Level(float(y.mean()) + slope * reach, start, t_quantile(df) / Z * math.sqrt(variance))
