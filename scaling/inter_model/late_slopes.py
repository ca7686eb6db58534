"""Does learning flatten? The slope in the last third of ln X against that of the whole window.

The noise is what two straight lines leave, one before and one in the last third: about a single line a plateau looks
like correlated noise and would hide itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scaling.inter_model.estimate import Estimate
from scaling.inter_model.half_slopes import part_moments
from scaling.observations import FloatArray, IntArray
from scaling.regression.spread import autocorrelation, t_quantile


@dataclass(frozen=True)
class LateSlope:
    """k in the last third and over the window, with half-widths of the 95% intervals of their difference and of k."""

    size: int
    late: float
    whole: float
    half_of_gap: float
    half_of_whole: float


@dataclass(frozen=True, eq=False)
class _TwoLines:
    size: int
    late: float
    late_xx: float
    run: IntArray
    residual: FloatArray
    df: int


def late_slopes(estimate: Estimate) -> list[LateSlope]:
    """One of each size that has three evaluations of every run on both sides of the last third.

    The window holds the third, so Var(k_late - k) = Var(k_late) - Var(k).
    """
    lines = [line for size in range(estimate.design.num_sizes) if (line := _two_lines(estimate, size)) is not None]
    if not lines:
        return []
    run, residual = (np.concatenate([getattr(line, name) for line in lines]) for name in ("run", "residual"))
    _, inflation = autocorrelation(run, residual)
    return [_late(estimate, line, inflation) for line in lines]


def _late(estimate: Estimate, line: _TwoLines, inflation: float) -> LateSlope:
    xx = float(estimate.free.xx[line.size])
    scale = float(line.residual @ line.residual) / line.df * inflation
    half = t_quantile(max(line.df / inflation, 1.0)) * math.sqrt(scale)
    if estimate.spread.noise_ratio is not None:
        between = float(estimate.spread.point[line.size]) * estimate.spread.noise_ratio
        half = max(half, t_quantile(estimate.spread.between_df) * math.sqrt(between))
    return LateSlope(
        size=line.size,
        late=line.late,
        whole=float(estimate.free.slopes[line.size]),
        half_of_gap=half * math.sqrt(max(1 / line.late_xx - 1 / xx, 0.0)),
        half_of_whole=half / math.sqrt(xx),
    )


def _two_lines(estimate: Estimate, size: int) -> _TwoLines | None:
    design, free = estimate.design, estimate.free
    log_loss = free.y + free.run_y[design.run]
    mine = design.size == size
    is_late = design.log_x >= design.log_x[mine].max() - np.ptp(design.log_x[mine]) / 3
    parts = [part_moments(design, log_loss, free.weight, mine & rows) for rows in (~is_late, is_late)]
    if parts[0] is None or parts[1] is None:
        return None
    residual = np.zeros(len(design.rows))
    df = 0
    for rows, (part, moments) in zip((~is_late, is_late), (parts[0], parts[1]), strict=True):
        residual[mine & rows] = np.sqrt(moments.weight) * (moments.y + moments.slopes[0] * moments.x)
        df += len(part.rows) - part.num_runs - 1
    late = parts[1][1]
    return _TwoLines(size, float(late.slopes[0]), float(late.xx[0]), design.run[mine], residual[mine], max(df, 1))
